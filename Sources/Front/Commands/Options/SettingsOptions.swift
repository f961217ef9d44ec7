import ArgumentParser
import Assembly

/// Where the settings come from.
struct SettingsOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The data folder (data.folder).", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("A YAML file with settings.", valueName: "file"))
    var config: String?

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Sets any key but a secret; may be given several times.", valueName: "key=value"))
    var sets: [String] = []

    func load(_ more: [SettingFlag] = []) throws -> LoadedSettings {
        var flags = try sets.map { text in
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw ValidationError("--set takes KEY=VALUE, and \"\(text)\" is none")
            }
            return SettingFlag(flag: "--set", name: String(parts[0]), value: String(parts[1]))
        }
        if let data { flags.append(SettingFlag(flag: "--data", name: "data.folder", value: data)) }
        let loaded = try Settings.load(
            flags: flags + more, environment: CommandContext.current.environment, file: config.map { try SettingsFile(path: $0) })
        for warning in loaded.warnings { CommandContext.current.terminal.complain("waybill: \(warning)") }
        return loaded
    }
}
