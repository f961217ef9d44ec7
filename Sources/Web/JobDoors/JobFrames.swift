import Hummingbird
import SeededBugs
import WaybillEngine
import Web

/// A job as Server-Sent Events: what has happened since a number, what happens now, and an end with the job's end.
///
/// Durable events carry their number; live progress between them carries none, so that a client that comes back misses nothing.
struct JobFrames<View: Encodable & Sendable>: AsyncSequence, Sendable {
    typealias Element = SSEFrame

    let engine: JobEngine
    let job: JobRecord
    let after: Int64?
    /// The name under which the door tells an event; nil leaves it out.
    let name: @Sendable (JobEvent.Name) -> String?
    let view: @Sendable (JobRecord) async throws -> View

    func makeAsyncIterator() -> Iterator {
        Iterator(
            frames: self, ticks: engine.watch(job.id).makeAsyncIterator(),
            last: SeededBug.ignoresLastEventID ? 0 : after ?? 0, isFirst: true)
    }

    struct Iterator: AsyncIteratorProtocol {
        private static var eventsAtOnce: Int { 500 }

        let frames: JobFrames
        var ticks: AsyncStream<Void>.Iterator
        /// The number of the last durable event that was told.
        var last: Int64
        var isFirst: Bool
        var waiting: [SSEFrame] = []
        var shown = -1.0
        var isOver = false
        /// The last look gave as many events as one look may.
        var hasMore = false

        init(frames: JobFrames, ticks: AsyncStream<Void>.Iterator, last: Int64, isFirst: Bool) {
            self.frames = frames
            self.ticks = ticks
            self.last = last
            self.isFirst = isFirst
        }

        mutating func next() async throws -> SSEFrame? {
            while waiting.isEmpty {
                if isOver { return nil }
                if !isFirst, !hasMore, await ticks.next() == nil { return nil }
                try await collect()
                isFirst = false
            }
            return waiting.removeFirst()
        }

        private mutating func collect() async throws {
            guard var job = try await frames.engine.find(frames.job.id, of: frames.job.tenant) else {
                isOver = true
                return
            }
            let events = try await frames.engine.events(of: job, after: last, limit: Self.eventsAtOnce)
            if !job.state.isFinal, events.contains(where: \.name.isEnd) {
                // It may have ended between the two looks: its end is told with the job as it is then, and once.
                guard let now = try await frames.engine.find(job.id, of: job.tenant) else {
                    isOver = true
                    return
                }
                job = now
            }
            hasMore = events.count == Self.eventsAtOnce
            let end = job.state.isFinal && !hasMore ? events.last(where: \.name.isEnd)?.number : nil
            for event in events {
                last = event.number
                let isEnd = event.number == end
                // An end that was not the last word, because the job was tried again, is progress.
                guard let name = frames.name(event.name.isEnd && !isEnd ? .progress : event.name) else { continue }
                waiting.append(
                    try SSEFrame(event: name, id: event.number, json: try await frames.view(shape(job, at: event, isEnd))))
            }
            guard !hasMore else { return }
            if job.state.isFinal {
                isOver = true
                guard waiting.isEmpty, let name = frames.name(.ending(job.state)) else { return }
                waiting.append(try SSEFrame(event: name, id: last > 0 ? last : nil, json: try await frames.view(job)))
            } else if waiting.isEmpty, isFirst || job.progress > shown, let name = frames.name(.progress) {
                waiting.append(try SSEFrame(event: name, json: try await frames.view(job)))
            }
            shown = Swift.max(shown, job.progress)
        }

        /// The job as it was when the event happened, as far as the event tells.
        private func shape(_ job: JobRecord, at event: JobEvent, _ isEnd: Bool) -> JobRecord {
            guard !isEnd else { return job }
            var past = job
            past.progress = Swift.min(event.progress, job.progress)
            if job.state.isFinal {
                past.state = .running
                (past.endedAt, past.output, past.failure) = (nil, nil, nil)
            }
            return past
        }
    }
}

extension JobEvent.Name {
    /// Whether it tells a final state.
    fileprivate var isEnd: Bool { JobState.allCases.contains { $0.isFinal && self == .ending($0) } }
}

extension JobDoor {
    /// `GET path/{jobId}/monitor`
    /// - Parameter name: the name under which the door tells an event; nil leaves it out.
    public func monitor(
        _ request: Request, _ context: WebContext, name: @escaping @Sendable (JobEvent.Name) -> String?
    ) async throws -> Response {
        let job = try await job(context)
        let after = try SSEStream.lastEventID(request)
        let place = try floor.streams.open("job \(job.id)")
        let frames = JobFrames(engine: engine, job: job, after: after, name: name, view: view)
        var response = SSEStream(time: floor.time).response(
            request, context, access: floor.streamAccess(of: context), place: place, jitter: floor.random(1).first ?? 0,
            frames: frames)
        // Watching for the client's end has used the connection up: said here, no client sends its next request over it.
        response.headers[.connection] = "close"
        return response
    }

    /// The four names that the doors of the source documents tell: what is not an end is progress.
    public static func plainName(_ name: JobEvent.Name) -> String? {
        switch name {
        case .completed, .failed, .cancelled: name.text
        case .expired: JobEvent.Name.failed.text
        case .artifactRevoked, .artifactExpired: nil
        default: JobEvent.Name.progress.text
        }
    }
}
