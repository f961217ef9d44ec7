import ArgumentParser
import Assembly
import WaybillClient

/// Which server is asked, and in whose name.
struct ServerOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The server's address; WAYBILL_URL if left out, then http://127.0.0.1:8080.", valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "A bearer token; WAYBILL_TOKEN if left out. WAYBILL_API_SECRET holds an API key instead.", valueName: "token"))
    var token: String?

    @Option(help: ArgumentHelp("The server's data folder: a token for this call is signed with its key.", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("With --data: the tenant.", valueName: "tenant"))
    var tenant = "default"

    @Option(help: ArgumentHelp("With --data: the user.", valueName: "user"))
    var user = "operator"

    @Option(name: .customLong("role"), help: ArgumentHelp("With --data: a role; admin if none is given.", valueName: "role"))
    var roles: [String] = []

    /// Makes a client for the time of `body`.
    func withClient<Result>(_ body: (WaybillClient) async throws -> Result) async throws -> Result {
        let (address, credential) = try await target()
        let client = try CommandContext.current.connect(address, credential)
        let result: Result
        do {
            result = try await body(client)
        } catch {
            try await client.close()
            throw error
        }
        try await client.close()
        return result
    }

    private func target() async throws -> (String, WaybillCredential) {
        let context = CommandContext.current
        let given = url ?? context.variable("WAYBILL_URL")
        if let token { return (given ?? ServerOptions.standardURL, .bearer(token)) }
        if let data {
            let settings = try Settings.load(
                flags: [SettingFlag(flag: "--data", name: "data.folder", value: data)], environment: context.environment
            ).settings
            let order = try TokenOptions.order(tenant, user, roles.isEmpty ? ["admin"] : roles, .seconds(12 * 3600))
            return (
                given ?? ServerOptions.address(settings.server.listen),
                .bearer(try await context.actions.signToken(settings, order))
            )
        }
        if let token = context.variable("WAYBILL_TOKEN") { return (given ?? ServerOptions.standardURL, .bearer(token)) }
        if let secret = context.variable("WAYBILL_API_SECRET") { return (given ?? ServerOptions.standardURL, .apiSecret(secret)) }
        throw ValidationError("who asks? Give --token or --data, or set WAYBILL_TOKEN or WAYBILL_API_SECRET")
    }

    private static let standardURL = "http://127.0.0.1:8080"

    /// A server that listens on all addresses is asked on this machine's own.
    private static func address(_ listen: ListenAddress) -> String {
        var listen = listen
        if listen.host == "0.0.0.0" { listen.host = "127.0.0.1" }
        if listen.host == "::" { listen.host = "::1" }
        return "http://\(listen)"
    }
}

extension CommandContext {
    /// A variable; empty counts as not set.
    func variable(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
