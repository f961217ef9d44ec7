import ArgumentParser
import WaybillClient

/// What the four commands share that tell jobs what to do: all are told, and every refusal is reported.
struct JobsActOptions: ParsableArguments {
    @OptionGroup var server: ServerOptions

    @Argument(help: "The ids of the jobs.")
    var ids: [String]

    @Flag(help: "Prints each job as one line of JSON.")
    var json = false

    func act(_ done: String, _ action: (JobCalls, String) async throws -> WaybillJob) async throws {
        try await server.withClient { client in
            var first: WaybillClientError?
            for id in ids {
                do {
                    let job = try await action(client.jobs, id)
                    CommandContext.current.terminal.say(json ? try JSONText.line(job) : "\(id): \(done)")
                } catch let error as WaybillClientError {
                    CommandContext.current.terminal.complain("\(id): \(error)")
                    first = first ?? error
                }
            }
            if let first { throw CommandFailure(ExitStatus(first), "") }
        }
    }
}

/// `waybill jobs cancel`
struct JobsCancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Asks jobs to end; they leave no file.", discussion: ExitStatus.help)
    @OptionGroup var options: JobsActOptions

    func run() async throws { try await options.act("cancel requested") { try await $0.cancel($1) } }
}

/// `waybill jobs pause`
struct JobsPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Asks jobs to stop at their next checkpoint, and to wait.", discussion: ExitStatus.help)
    @OptionGroup var options: JobsActOptions

    func run() async throws { try await options.act("pause requested") { try await $0.pause($1) } }
}

/// `waybill jobs resume`
struct JobsResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Lets paused jobs go on.", discussion: ExitStatus.help)
    @OptionGroup var options: JobsActOptions

    func run() async throws { try await options.act("resumed") { try await $0.resume($1) } }
}

/// `waybill jobs retry`
struct JobsRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Starts failed, cancelled or expired jobs over.", discussion: ExitStatus.help)
    @OptionGroup var options: JobsActOptions

    func run() async throws { try await options.act("started over") { try await $0.retry($1) } }
}
