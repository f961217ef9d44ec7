import ArgumentParser
import Assembly

/// `waybill token`
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Prints a bearer token, signed with a data folder's key.",
        discussion: """
            The key is the file signing.key in the folder, which is made if it is missing; WAYBILL_SIGNING_KEY wins. Roles: \
            reader, editor, uploader, auditor, operator, worker, admin, and system for the installation itself.

            EXIT STATUS: 0 printed; 1 the key can't be read or made; 2 wrong usage or configuration.
            """)

    @OptionGroup var settings: SettingsOptions

    @Option(help: "The tenant that the token is for.")
    var tenant: String

    @Option(help: "The user that the token is for.")
    var user: String

    @Option(name: .customLong("role"), help: ArgumentHelp("A role; may be given several times.", valueName: "role"))
    var roles: [String] = []

    @Option(help: ArgumentHelp("How long it is good for: 90s, 1h, 7d.", valueName: "duration"), transform: TokenOptions.duration)
    var ttl = Duration.seconds(3600)

    func run() async throws {
        let context = CommandContext.current
        let order = try TokenOptions.order(tenant, user, roles, ttl)
        context.terminal.say(try await context.actions.signToken(try settings.load().settings, order))
    }
}
