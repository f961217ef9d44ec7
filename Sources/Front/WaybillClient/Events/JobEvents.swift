/// Something that happened to a job.
public struct JobEvent: Sendable, Hashable {
    /// `job.progress`, `job.completed`, `job.failed`, `job.cancelled`, …
    public var name: String
    /// The event's number in the tenant's log, if it is kept there; live progress has none.
    public var id: String?
    /// The job as it is then.
    public var job: WaybillJob
}

/// The live events of one job, ending with the one that ends it.
///
/// A stream that breaks off is opened again after the last numbered event, so that none is missed. It throws once too many tries
/// in a row have failed, or if the server refuses.
public struct JobEvents: AsyncSequence, Sendable {
    public typealias Element = JobEvent

    let client: WaybillClient
    let path: [String]
    /// The id of the last event that is already known.
    let after: String?

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(client: client, path: path, lastID: after)
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let client: WaybillClient
        let path: [String]
        var lastID: String?
        private var body: WireBody.AsyncIterator?
        private var parser = ServerSentEventParser()
        private var arrived: [JobEvent] = []
        private var failures = 0
        private var hasEnded = false

        init(client: WaybillClient, path: [String], lastID: String?) {
            self.client = client
            self.path = path
            self.lastID = lastID
        }

        public mutating func next() async throws -> JobEvent? {
            while arrived.isEmpty {
                guard !hasEnded else { return nil }
                do {
                    try await step()
                } catch let error as WaybillClientError where error.isTransient {
                    body = nil
                    failures += 1
                    guard failures <= client.pacing.failuresMax else { throw error }
                    try await client.wait(error.retryAfter ?? parser.retry ?? client.pacing.delay(after: failures))
                }
            }
            return arrived.removeFirst()
        }

        /// Opens the stream, or reads one chunk of it.
        private mutating func step() async throws {
            guard var open = body else {
                var headers = [(name: "Accept", value: "text/event-stream"), (name: "Cache-Control", value: "no-cache")]
                if let lastID { headers.append(("Last-Event-ID", lastID)) }
                let response = try await client.caller.send(client.caller.request("GET", path, headers: headers))
                guard response.headers["content-type"]?.lowercased().hasPrefix("text/event-stream") == true else {
                    throw WaybillClientError(
                        .unexpectedAnswer, "the server did not answer with a stream of events", status: response.status)
                }
                parser = ServerSentEventParser()
                body = response.body.makeAsyncIterator()
                return
            }
            guard let chunk = try await open.next() else {
                throw WaybillClientError(.connectionLost, "the stream of events ended before the job did")
            }
            body = open
            for event in try parser.push(chunk) { try take(event) }
        }

        private mutating func take(_ event: ServerSentEvent) throws {
            guard !hasEnded else { return }
            if let id = event.id, !id.isEmpty { lastID = id }
            guard event.name.hasPrefix("job.") else { return }
            let job = try Caller.decode(WaybillJob.self, [UInt8](event.data.utf8))
            failures = 0
            arrived.append(JobEvent(name: event.name, id: event.id, job: job))
            if job.state.isFinal {
                hasEnded = true
                body = nil
            }
        }
    }
}
