import Synchronization

/// Adds up what several requests have sent of a file. What a request has sent in vain is taken back.
final class UploadMeter: Sendable {
    private struct Counts {
        var settled: Int64 = 0
        var open: [Int64: Int64] = [:]
        var phase = FileUploadProgress.Phase.sending
    }

    private let counts = Mutex(Counts())
    private let total: Int64
    private let tell: @Sendable (FileUploadProgress) -> Void

    init(total: Int64, _ tell: @escaping @Sendable (FileUploadProgress) -> Void) {
        self.total = total
        self.tell = tell
    }

    /// So many bytes are there, whatever was counted before.
    func settle(at bytes: Int64) {
        change {
            $0.settled = bytes
            $0.open = [:]
        }
    }

    /// A request begins, or begins anew.
    func begin(_ part: Int64) { change { $0.open[part] = 0 } }

    func sent(_ count: Int, of part: Int64) { change { $0.open[part, default: 0] += Int64(count) } }

    /// A request's bytes are there.
    func settle(_ part: Int64, bytes: Int64) {
        change {
            $0.open[part] = nil
            $0.settled += bytes
        }
    }

    func completing() {
        change {
            $0.phase = .completing
            $0.settled = total
            $0.open = [:]
        }
    }

    /// Told inside the lock, so that the last word is the last count.
    private func change(_ change: (inout Counts) -> Void) {
        counts.withLock { counts in
            change(&counts)
            let bytes = min(total, counts.settled + counts.open.values.reduce(0, +))
            tell(FileUploadProgress(phase: counts.phase, bytes: bytes, total: total))
        }
    }
}
