import Synchronization

/// What is learned of a request while it is answered, for the access log and the metrics that look back at its end.
public final class RequestRecord: Sendable {
    struct Facts: Sendable {
        var tenant: String?
        var user: String?
        var isStream = false
    }

    private let storage = Mutex(Facts())

    var facts: Facts { storage.withLock { $0 } }

    func note(tenant: String, user: String?) {
        storage.withLock {
            $0.tenant = tenant
            $0.user = user
        }
    }

    /// Says that the answer's end is what counts, not its beginning.
    func markStream() { storage.withLock { $0.isStream = true } }
}
