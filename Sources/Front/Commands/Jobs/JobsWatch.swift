import ArgumentParser
import WaybillClient

/// `waybill jobs watch`
struct JobsWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Follows a job until it has ended.", discussion: ExitStatus.help)

    @OptionGroup var server: ServerOptions

    @Argument(help: "The job's id.")
    var id: String

    @Flag(help: "Prints each event's job as one line of JSON.")
    var json = false

    func run() async throws {
        try await server.withClient { client in
            let terminal = CommandContext.current.terminal
            var watcher = JobWatcher(terminal: terminal, isQuiet: json)
            let asJSON = json
            let job = try await watcher.follow(client.jobs.monitor(id)) { event in
                if asJSON { terminal.say(try JSONText.line(event.job)) }
            }
            guard job.state == .completed else { throw JobOutcome.failure(job) }
        }
    }
}
