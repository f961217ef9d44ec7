import WaybillEngine

/// How fast an upload is, as far as that can be told.
struct UploadPace: Sendable, Hashable {
    /// Over the whole time in which bytes came; nil if none have come, or all in one moment.
    var bytesPerSecond: Double?
    /// Nil if the speed or the size is not known, or it has ended.
    var secondsLeft: Double?

    init(_ upload: Upload) {
        let took = upload.activeAt.since(upload.createdAt) / .seconds(1)
        let stored = upload.stored.count
        guard stored > 0, took > 0 else { return }
        bytesPerSecond = (Double(stored) / took * 100).rounded() / 100
        guard upload.status == .inProgress, let size = upload.size else { return }
        secondsLeft = (Double(max(0, size - stored)) / (Double(stored) / took) * 10).rounded() / 10
    }
}
