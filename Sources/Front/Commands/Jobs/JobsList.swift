import ArgumentParser
import WaybillClient

/// `waybill jobs list`
struct JobsList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists jobs, newest first.", discussion: ExitStatus.help)

    @OptionGroup var server: ServerOptions

    @Option(help: "Only jobs in this state.")
    var state: JobState?

    @Option(help: "Which page, from 1.")
    var page = 1

    @Option(help: "How many a page, 1 to 200.")
    var size = 20

    @Flag(help: "Prints the page as JSON.")
    var json = false

    func run() async throws {
        try await server.withClient { client in
            let list = try await client.jobs.list(page: page, size: size, state: state)
            let terminal = CommandContext.current.terminal
            if json {
                terminal.say(try JSONText.pretty(list))
                return
            }
            let rows = list.jobs.map { job in
                [
                    job.id, job.kind ?? "", job.state.rawValue, "\(Int(job.progress)) %", job.createdAt.map(JSONText.time) ?? "",
                    job.user ?? "",
                ]
            }
            for line in TextTable.lines(["ID", "KIND", "STATE", "PROGRESS", "CREATED", "USER"], rows) { terminal.say(line) }
            terminal.complain("\(list.jobs.count) of \(list.total) jobs, page \(list.page)")
        }
    }
}
