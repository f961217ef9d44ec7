import Synchronization
import WaybillEngine

/// The sessions of this process. The idle ones are few hundred bytes each, and no more than a number of them is kept.
final class UploadSessions: Sendable {
    private static let keptMax = 20_000
    private let sessions = Mutex<[JobID: UploadSession]>([:])

    func session(of id: JobID) -> UploadSession {
        sessions.withLock { sessions in
            if let session = sessions[id] { return session }
            if sessions.count >= Self.keptMax { sessions = sessions.filter { $0.value.isBusy } }
            let session = UploadSession()
            sessions[id] = session
            return session
        }
    }

    func forget(_ id: JobID) {
        sessions.withLock { $0[id] = nil }
    }
}
