import ArgumentParser
import Assembly

/// `waybill config`
struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Shows the configuration.", subcommands: [ConfigShow.self, ConfigReference.self])
}

/// `waybill config show`
struct ConfigShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Prints each setting and where it comes from; secrets are masked.",
        discussion: "EXIT STATUS: 0 the configuration is good; 2 it is not, and everything that is wrong is listed.")

    @OptionGroup var settings: SettingsOptions

    @Option(help: ArgumentHelp("Where to listen (server.listen).", valueName: "host:port"))
    var listen: String?

    @Flag(help: "Prints JSON.")
    var json = false

    private struct Shown: Encodable {
        var key: String
        var value: String
        var origin: String
    }

    func run() async throws {
        let flags = listen.map { [SettingFlag(flag: "--listen", name: "server.listen", value: $0)] } ?? []
        let values = try settings.load(flags).values
        let terminal = CommandContext.current.terminal
        if json {
            terminal.say(try JSONText.pretty(values.map { Shown(key: $0.name, value: $0.text, origin: "\($0.origin)") }))
            return
        }
        let rows = values.map { [$0.name, $0.text.isEmpty ? "(not set)" : $0.text, "\($0.origin)"] }
        for line in TextTable.lines(["KEY", "VALUE", "ORIGIN"], rows) { terminal.say(line) }
    }
}

/// `waybill config reference`
struct ConfigReference: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reference", abstract: "Prints the page about all settings, in Markdown.")

    func run() async throws {
        CommandContext.current.terminal.say(String(SettingsReference.markdown.dropLast()))
    }
}
