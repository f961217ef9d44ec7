import ArgumentParser
import WaybillClient

/// `waybill jobs show`
struct JobsShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows all of one job.", discussion: ExitStatus.help)

    @OptionGroup var server: ServerOptions

    @Argument(help: "The job's id.")
    var id: String

    @Flag(help: "Prints the job as JSON.")
    var json = false

    func run() async throws {
        try await server.withClient { client in
            let job = try await client.jobs.get(id)
            let terminal = CommandContext.current.terminal
            guard !json else { return terminal.say(try JSONText.pretty(job)) }
            for line in JobsShow.lines(job) { terminal.say(line) }
        }
    }

    static func lines(_ job: WaybillJob) -> [String] {
        var facts: [(String, String?)] = [
            ("id", job.id), ("kind", job.kind), ("state", job.state.rawValue), ("progress", "\(Int(job.progress)) %"),
            ("waits for", job.waitingFor), ("user", job.user), ("node", job.executingNode),
            ("created", job.createdAt.map(JSONText.time)), ("started", job.startedAt.map(JSONText.time)),
            ("updated", job.updatedAt.map(JSONText.time)), ("ended", job.endedAt.map(JSONText.time)),
            ("not before", job.dueAt.map(JSONText.time)), ("deadline", job.deadlineAt.map(JSONText.time)),
            ("stalled", job.stalled == true ? "yes" : nil),
            ("attempts", job.attempts.map(String.init)), ("interruptions", job.interruptions.map(String.init)),
            ("deaths", job.deaths.map(String.init)), ("priority", job.priority.map(String.init)),
            ("error", job.error.map { "\($0.code): \($0.message ?? "")" }), ("file", job.artifactState),
            ("link", job.downloadUrl),
        ]
        for (name, count) in (job.counters ?? [:]).sorted(by: { $0.key < $1.key }) {
            facts.append((name, Figures.grouped(count)))
        }
        let known = facts.compactMap { name, value in value.map { [name, $0] } }
        return Array(TextTable.lines(["", ""], known).dropFirst())
    }
}
