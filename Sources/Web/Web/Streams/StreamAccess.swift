import WaybillEngine

/// Whether somebody who listens to a stream may still do so: a stream must not outlive the credentials it was opened with.
public struct StreamAccess: Sendable {
    /// When the credentials end by themselves.
    var endsAt: Timestamp?
    /// Whether they are still good; nil where there are none that could end.
    var isValid: (@Sendable () async -> Bool)?

    static let unlimited = StreamAccess(endsAt: nil, isValid: nil)

    /// Returns once the credentials have ended.
    /// - Throws: `CancellationError`.
    func end(_ time: any TimeSource, every interval: Duration) async throws {
        while let isValid {
            let next = time.now().advanced(by: interval)
            try await time.sleep(until: endsAt.map { min($0, next) } ?? next)
            if let endsAt, time.now() >= endsAt { return }
            guard await isValid() else { return }
        }
        for await _ in AsyncStream<Void>.makeStream().stream {}
        throw CancellationError()
    }
}

extension WebFloor {
    /// How long the asker may listen: until his token ends, his API key ends or is revoked, or his tenant is erased.
    public func streamAccess(of context: WebContext) -> StreamAccess {
        guard let identity = context.identity else { return StreamAccess(endsAt: nil) { false } }
        return streamAccess(of: identity)
    }

    func streamAccess(of identity: Identity) -> StreamAccess {
        let principal = identity.principal
        return StreamAccess(endsAt: identity.expiresAt) { [tenants, keys, time] in
            let now = time.now()
            do {
                try await tenants.admit(principal.tenant, issuedAt: identity.issuedAt, now: now)
                guard let key = principal.apiKey else { return true }
                return try await keys.roles(ofKey: key, of: principal.tenant, now: now) != nil
            } catch is Problem {
                return false
            } catch {
                // A database that can't be reached for a moment ends nothing.
                return true
            }
        }
    }
}
