import ArgumentParser
import Assembly
import WaybillClient

/// Where keys and tenants are looked after: at a running server with --url, else in the data folder of one that is stopped.
struct FolderOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A running server's address. Without it, the data folder is opened; no server may run on it.", valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "With --url: a bearer token; WAYBILL_TOKEN if left out, or one signed with the key of --data.", valueName: "token"))
    var token: String?

    @OptionGroup var settings: SettingsOptions

    @Flag(help: "Prints JSON.")
    var json = false

    /// Does it there or here.
    /// - Parameters:
    ///   - tenant: whose admin asks, if a token is signed for that; nil for the installation's operator.
    func perform<Result>(
        tenant: String?, remote: (WaybillClient) async throws -> Result, local: (any DataFolder) async throws -> Result
    ) async throws -> Result {
        let context = CommandContext.current
        if let url {
            let client = try context.connect(url, .bearer(try await bearer(tenant)))
            return try await closing({ try await client.close() }) { try await remote(client) }
        }
        let folder = try await context.actions.openFolder(try settings.load().settings)
        return try await closing({ try await folder.close() }) { try await local(folder) }
    }

    private func bearer(_ tenant: String?) async throws -> String {
        let context = CommandContext.current
        if let token { return token }
        if settings.data == nil, settings.config == nil, let token = context.variable("WAYBILL_TOKEN") { return token }
        let order = try TokenOptions.order(tenant ?? "default", "operator", [tenant == nil ? "system" : "admin"], .seconds(300))
        return try await context.actions.signToken(try settings.load().settings, order)
    }

    private func closing<Result>(_ close: () async throws -> Void, _ body: () async throws -> Result) async throws -> Result {
        let result: Result
        do {
            result = try await body()
        } catch {
            try await close()
            throw error
        }
        try await close()
        return result
    }
}
