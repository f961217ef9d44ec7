/// What is still to be done with the bytes of an upload once all of them are there.
struct FinishPlan: Sendable, Hashable {
    /// How many bytes have to be read, encrypted or sent: each counts as often as it is.
    let bytes: Int64

    /// - Parameters:
    ///   - hashed: how far the hash goes that was computed as the bytes came.
    ///   - copiesBytes: they are written to the store: sent when they are published, or as one blob in place of many pieces.
    init(_ upload: Upload, hashed: Int64, copiesBytes: Bool) {
        let size = upload.size ?? 0
        let unhashed = max(0, size - hashed)
        bytes =
            switch upload.role {
            // Its parts are in the store.
            case .joined: size
            // The hash goes along.
            case .file where upload.isEncrypted: size
            case .file: unhashed + (copiesBytes ? size : 0)
            // A part needs a hash only if one was announced.
            case .part, .sealedPart: (upload.hash == nil ? 0 : unhashed) + (copiesBytes ? size : 0)
            }
    }

    /// Percent.
    /// - Parameter done: bytes.
    func progress(_ done: Int64) -> Double {
        bytes > 0 ? min(100, max(0, Double(done) / Double(bytes) * 100)) : 100
    }
}
