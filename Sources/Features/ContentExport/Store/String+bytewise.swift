/// Ids and keys are compared by their UTF-8 bytes, as databases do. Swift's own comparison of strings takes texts for equal that
/// have other bytes.
extension String {
    func precedesBytewise(_ other: String) -> Bool {
        withBytes(of: other) { $0.lexicographicallyPrecedes($1) } ?? utf8.lexicographicallyPrecedes(other.utf8)
    }

    func equalsBytewise(_ other: String) -> Bool {
        withBytes(of: other) { $0.elementsEqual($1) } ?? utf8.elementsEqual(other.utf8)
    }

    /// nil for strings that are not stored as UTF-8.
    private func withBytes<R>(
        of other: String, _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> R
    ) -> R? {
        utf8.withContiguousStorageIfAvailable { first in
            other.utf8.withContiguousStorageIfAvailable { second in body(first, second) }
        } ?? nil
    }
}
