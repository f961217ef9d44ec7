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

    func run() async throws {
        let flags = listen.map { [SettingFlag(flag: "--listen", name: "server.listen", value: $0)] } ?? []
        try await CommandContext.current.actions.serve(try settings.load(flags))
    }
}
