import ArgumentParser
import WaybillClient

/// `waybill apikey`
struct APIKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apikey", abstract: "Looks after the keys that programs use.", discussion: ExitStatus.help,
        subcommands: [APIKeyCreate.self, APIKeyList.self, APIKeyRevoke.self])
}

/// `waybill apikey create`
struct APIKeyCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Makes a key and prints its secret, this once.", discussion: ExitStatus.help)

    @OptionGroup var folder: FolderOptions

    @Option(help: "The tenant that the key is for.")
    var tenant: String

    @Option(help: "The user in whose name it acts.")
    var user: String

    @Option(help: "A name to know it by.")
    var name: String?

    @Option(name: .customLong("role"), help: ArgumentHelp("A role; may be given several times.", valueName: "role"))
    var roles: [String] = []

    @Option(
        name: .customLong("scope"), help: ArgumentHelp("A single scope, such as content:export; likewise.", valueName: "scope"))
    var scopes: [String] = []

    @Option(
        help: ArgumentHelp("How long it is good for: 1h, 90d; until it is revoked if left out.", valueName: "duration"),
        transform: TokenOptions.duration)
    var ttl: Duration?

    func validate() throws {
        if let ttl, !TokenOptions.ttls.contains(ttl) { throw ValidationError("--ttl goes from 1s to 3650d") }
        if roles.isEmpty, scopes.isEmpty { throw ValidationError("Give a --role or a --scope: a key without may do nothing.") }
    }

    func run() async throws {
        let request = APIKeyRequest(
            user: user, tenant: tenant, name: name, roles: roles.isEmpty ? nil : roles, scopes: scopes.isEmpty ? nil : scopes,
            ttlSeconds: ttl?.components.seconds)
        let key = try await folder.perform(
            tenant: tenant, remote: { try await $0.apiKeys.create(request) }, local: { try await $0.createAPIKey(request) })
        let terminal = CommandContext.current.terminal
        guard !folder.json else { return terminal.say(try JSONText.pretty(key)) }
        terminal.complain("key \(key.id); its secret is shown this once:")
        terminal.say(key.secret ?? "")
    }
}

/// `waybill apikey list`
struct APIKeyList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists keys; secrets are not kept.", discussion: ExitStatus.help)

    @OptionGroup var folder: FolderOptions

    @Option(help: "Whose keys.")
    var tenant = "default"

    func run() async throws {
        let keys = try await folder.perform(
            tenant: tenant, remote: { try await $0.apiKeys.list() }, local: { [tenant] in try await $0.apiKeys(tenant: tenant) })
        let terminal = CommandContext.current.terminal
        guard !folder.json else { return terminal.say(try JSONText.pretty(keys)) }
        let rows = keys.map { key in
            [
                key.id, key.tenant ?? "", key.user ?? "", ((key.roles ?? []) + (key.scopes ?? [])).joined(separator: ","),
                key.name ?? "",
                key.revokedAt == nil ? "" : "revoked",
            ]
        }
        for line in TextTable.lines(["ID", "TENANT", "USER", "MAY", "NAME", ""], rows) { terminal.say(line) }
    }
}

/// `waybill apikey revoke`
struct APIKeyRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Ends a key at once.", discussion: ExitStatus.help)

    @OptionGroup var folder: FolderOptions

    @Option(help: "Whose key it is.")
    var tenant = "default"

    @Argument(help: "The key's id.")
    var id: String

    func run() async throws {
        try await folder.perform(
            tenant: tenant, remote: { [id] in try await $0.apiKeys.revoke(id) },
            local: { [id, tenant] in try await $0.revokeAPIKey(id, tenant: tenant) })
        let terminal = CommandContext.current.terminal
        terminal.say(folder.json ? try JSONText.line(["revoked": id]) : "\(id): revoked")
    }
}
