import Assembly
import WaybillClient

/// What a command works with. Tests put their own in its place.
struct CommandContext: Sendable {
    var environment: [String: String]
    var terminal: Terminal
    var actions: ServerActions
    var connect: @Sendable (_ url: String, _ credential: WaybillCredential) throws -> WaybillClient

    @TaskLocal static var current: CommandContext = CommandContext(
        environment: ProcessFacts.environment, terminal: .process, actions: .live,
        connect: { url, credential in try WaybillClient(url: url, credential: credential) })
}
