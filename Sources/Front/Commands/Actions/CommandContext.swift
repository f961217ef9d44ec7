import Assembly
import WaybillClient

/// What a command works with. Tests put their own in its place.
struct CommandContext: Sendable {
    var environment: [String: String]
    var terminal: Terminal
    var actions: ServerActions
    var connect: @Sendable (_ url: String, _ credential: WaybillCredential) throws -> WaybillClient
    /// Time since some moment, for what is told of speed.
    var uptime: @Sendable () -> Duration = CommandContext.clock
    /// Asks the user for what nobody else is to see; nil if nothing comes.
    var secret: @Sendable (_ prompt: String) -> String? = { Terminal.secret($0) }

    @TaskLocal static var current: CommandContext = CommandContext(
        environment: ProcessFacts.environment, terminal: .process, actions: .live,
        connect: { url, credential in try WaybillClient(url: url, credential: credential) })

    private static let clock: @Sendable () -> Duration = {
        let start = ContinuousClock.now
        return { start.duration(to: .now) }
    }()
}
