import Synchronization
import WaybillEngine

/// The sessions of this process. The idle ones are few hundred bytes each, and no more than a number of them is kept.
final class UploadSessions: Sendable {
    private static let keptMax = 20_000
    private let sessions = Mutex<[JobID: UploadSession]>([:])
    let recent = RecentPieces()

    /// Uses the session of an upload. While anybody does, there is no other one for it.
    func using<T>(_ id: JobID, _ body: (UploadSession) async throws -> T) async throws -> T {
        let session = sessions.withLock { sessions in
            if sessions.count >= Self.keptMax, sessions[id] == nil { sessions = sessions.filter { $0.value.isUsed } }
            let session = sessions[id] ?? UploadSession()
            session.enter()
            sessions[id] = session
            return session
        }
        defer { session.leave() }
        return try await body(session)
    }

    /// Whether any request is at an upload.
    func isUsed(_ id: JobID) -> Bool { sessions.withLock { $0[id]?.isUsed == true } }

    func forget(_ id: JobID) {
        sessions.withLock { $0[id] = nil }
        recent.forget(id)
    }
}
