import ArgumentParser
import Assembly

/// `waybill serve`
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Runs the server until it is told to stop.",
        discussion: """
            Flags win over variables (WAYBILL_…), variables over the file, the file over defaults; `waybill config show` prints \
            what is in force. SIGTERM and Ctrl-C let running jobs write a checkpoint; they go on with the next start.

            EXIT STATUS: 0 stopped as told; 1 something went wrong; 2 wrong usage or configuration.
            """)

    @OptionGroup var settings: SettingsOptions

    @Option(help: ArgumentHelp("Where to listen (server.listen).", valueName: "host:port"))
    var listen: String?

    @Option(help: ArgumentHelp("What this node does: all, api or worker (node.role).", valueName: "role"))
    var role: String?

    func run() async throws {
        let flags = [
            listen.map { SettingFlag(flag: "--listen", name: "server.listen", value: $0) },
            role.map { SettingFlag(flag: "--role", name: "node.role", value: $0) },
        ]
        try await CommandContext.current.actions.serve(try settings.load(flags.compactMap(\.self)), true)
    }
}

/// `waybill worker`
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Runs jobs until it is told to stop, and takes no requests.",
        discussion: """
            The same as `serve --role worker`, but it listens only if --listen says where: for /livez, /readyz and /metrics. The \
            nodes share the database that database.url names, the files of blobs.url and the key of signing.key; the data folder \
            is each node's own.

            EXIT STATUS: 0 stopped as told; 1 something went wrong; 2 wrong usage or configuration.
            """)

    @OptionGroup var settings: SettingsOptions

    @Option(help: ArgumentHelp("Where to listen for /livez, /readyz and /metrics.", valueName: "host:port"))
    var listen: String?

    func run() async throws {
        let flags = listen.map { [SettingFlag(flag: "--listen", name: "server.listen", value: $0)] } ?? []
        let loaded = try settings.load(flags + [SettingFlag(flag: "waybill worker", name: "node.role", value: "worker")])
        try await CommandContext.current.actions.serve(loaded, listen != nil)
    }
}
