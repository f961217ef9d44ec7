import Hummingbird
import JobDoors
import WaybillBlobs
import WaybillEngine
import Web

/// `/jobs`: every job of every door, with the same verbs.
public struct JobRoutes: Sendable {
    private let door: JobDoor<JobView>
    private let engine: JobEngine

    public init(floor: WebFloor, engine: JobEngine, blobs: any BlobStore) {
        self.engine = engine
        door = JobDoor(
            floor: floor, engine: engine, blobs: blobs, kinds: nil, path: "/jobs", changed: { JobView($0, statusPath: "/jobs") }
        ) { job in
            JobView(job, statusPath: "/jobs", waiting: try await engine.waitReason(job))
        }
    }

    public func mount(_ catalog: RouteCatalog) {
        catalog.component("Job", JobView.schema())
        catalog.component("JobEvent", EventView.schema)
        let list = RouteDoc("listJobs", "Lists jobs, newest first", tag: "jobs", access: .scope(.jobsRead))
            .described("One's own jobs; with the role `admin` those of the tenant.")
            .query("status", .enumeration(JobState.self), "only jobs in this state").paged()
            .answer(200, "a page of jobs", .page("jobs", of: "Job"), headers: ["X-Total"])
        catalog.route(.get, "/jobs", list) { _, context in try await door.list(context) }

        let show = RouteDoc("showJob", "Shows a job", tag: "jobs", access: .scope(.jobsRead)).path("jobId", .uuid)
            .answer(200, "the job", .ref("Job"))
        catalog.route(.get, "/jobs/{jobId}", show) { _, context in try await door.show(context) }

        let summaries: [(JobDoor<JobView>.Action, String)] = [
            (.cancel, "Cancels a job"), (.pause, "Pauses a job at its next checkpoint"), (.resume, "Lets a paused job go on"),
            (.retry, "Starts a failed, cancelled or expired job over"),
        ]
        for (action, summary) in summaries {
            let doc = RouteDoc("\(action.rawValue)Job", summary, tag: "jobs", access: .scope(.jobsWrite)).path("jobId", .uuid)
                .answer(202, "the job as it is now", .ref("Job"), headers: ["Location", "Retry-After"]).problems(409)
            catalog.change(.post, "/jobs/{jobId}/\(action.rawValue)", doc) { _, context, ticket in
                try await door.control(action, context, ticket)
            }
        }
        mountEvents(catalog)
    }

    private func mountEvents(_ catalog: RouteCatalog) {
        let doc = RouteDoc("jobEvents", "The events of a job", tag: "jobs", access: .scope(.jobsRead)).path("jobId", .uuid)
            .described("As JSON; with `Accept: text/event-stream` as a stream that ends with the job.")
            .query("after", .integer(min: 0), "only events with a higher number")
            .query("limit", .integer(1...1000), "at most this many; 100 by default")
            .header("Last-Event-ID", .string, "of a stream: go on after this event")
            .answer(200, "the events", .object(["events": .array(of: .ref("JobEvent")), "next": .integer.optional]))
            .answer(200, "the events", .event, media: "text/event-stream")
        catalog.route(.get, "/jobs/{jobId}/events", doc) { request, context in
            if request.headers[.accept]?.contains("text/event-stream") == true {
                return try await door.monitor(request, context) { $0.text }
            }
            let job = try await door.job(context)
            let limit = try context.query.integer("limit", in: 1...1000) ?? 100
            let after = try context.query.integer("after", in: 0...Int.max) ?? 0
            let events = try await engine.events(of: job, after: Int64(after), limit: limit)
            let answer = EventsView(events: events.map(EventView.init), next: events.count == limit ? events.last?.number : nil)
            return try JSONAnswer(answer).response(from: request, context: context)
        }
    }
}

private struct EventsView: Encodable {
    var events: [EventView]
    var next: Int64?
}

private struct EventView: Encodable {
    var number: Int64
    var type: String
    var at: WireTime
    var data: Facts

    struct Facts: Encodable {
        var progress: Double
        var detail: String?
    }

    init(_ event: JobEvent) {
        number = event.number
        type = event.name.text
        at = WireTime(event.at)
        data = Facts(progress: event.progress, detail: event.detail)
    }

    static let schema = Schema.object([
        "number": .integer(min: 1), "type": .string, "at": .dateTime,
        "data": .object(["progress": .percent, "detail": .string.optional]),
    ])
}
