/// Jobs of any kind: `client.jobs`.
public struct JobCalls: Sendable {
    let client: WaybillClient
    private var caller: Caller { client.caller }

    /// One's own jobs, newest first; those of the tenant for its admins.
    /// - Parameter page: from 1.
    public func list(page: Int = 1, size: Int = 20, state: JobState? = nil) async throws -> JobPage {
        let query = [("page", "\(page)"), ("size", "\(size)"), ("status", state?.rawValue)]
        return try await caller.json(caller.request("GET", ["jobs"], query: query))
    }

    public func get(_ id: String) async throws -> WaybillJob {
        try await caller.json(caller.request("GET", ["jobs", id]))
    }

    /// Asks for its end. It ends at its next checkpoint, a second later at most.
    /// - Throws: `WaybillClientError` with status 409 if it has ended.
    @discardableResult
    public func cancel(_ id: String) async throws -> WaybillJob { try await act("cancel", id) }

    /// Asks it to stop at its next checkpoint, and to wait there.
    @discardableResult
    public func pause(_ id: String) async throws -> WaybillJob { try await act("pause", id) }

    /// Lets a paused job go on.
    @discardableResult
    public func resume(_ id: String) async throws -> WaybillJob { try await act("resume", id) }

    /// Starts a failed, cancelled or expired job over.
    @discardableResult
    public func retry(_ id: String) async throws -> WaybillJob { try await act("retry", id) }

    /// What happens to a job, live, until it has ended. A stream that breaks off is taken up again where it was.
    public func monitor(_ id: String, after: String? = nil) -> JobEvents {
        JobEvents(client: client, path: ["jobs", id, "events"], after: after)
    }

    private func act(_ verb: String, _ id: String) async throws -> WaybillJob {
        try await caller.json(caller.request("POST", ["jobs", id, verb]))
    }
}
