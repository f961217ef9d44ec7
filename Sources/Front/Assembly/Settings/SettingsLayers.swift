import Configuration
import Foundation

/// Where values are looked for, first to last: flags, environment, file.
struct SettingsLayers {
    /// A value as it was written.
    enum Raw: Equatable {
        case text(String)
        case list([String])
    }

    let flags: [SettingFlag]
    let file: SettingsFile?
    private let environment: EnvironmentVariablesProvider
    /// The set variables of Waybill's.
    let variables: [String]

    /// What a key without a value reads as in YAML.
    private static let unset: [Raw] = [.text(""), .text("~"), .text("null")]

    /// Empty variables count as not set.
    init(flags: [SettingFlag], environment: [String: String], file: SettingsFile?) {
        self.flags = flags
        self.file = file
        let set = environment.filter { !$0.value.isEmpty }
        self.environment = EnvironmentVariablesProvider(environmentVariables: set)
        variables = set.keys.filter { $0.hasPrefix("WAYBILL_") }.sorted()
    }

    /// The first layer's value of a key, and where it was found. Empty values count as not set.
    func find(_ name: String) -> (raw: Raw, origin: SettingOrigin)? {
        if let flag = flags.last(where: { $0.name == name }), !flag.value.isEmpty { return (.text(flag.value), .flag(flag.flag)) }
        let variable = SettingEntry.variable(of: name)
        if let text = self.variable(variable) { return (.text(text), .variable(variable)) }
        if let file, let raw = file.value(of: name), !SettingsLayers.unset.contains(raw) { return (raw, .file(file.path)) }
        return nil
    }

    func variable(_ name: String) -> String? {
        // It throws for a provider that decodes; this one only looks up.
        (try? environment.environmentValue(forName: name)) ?? nil
    }

    /// The last parts of variables that begin as those of the keys below `prefix` do, in small letters.
    func variableNames(below prefix: String) -> [String] {
        let first = SettingEntry.variable(of: prefix) + "_"
        return variables.filter { $0.hasPrefix(first) }.map { $0.dropFirst(first.count).lowercased() }
    }

    /// The names below `prefix` that the file or the flags give: for `datasets`, the names of the data sets.
    func names(below prefix: String) -> [String] {
        var found: [String] = []
        for key in (file?.keys ?? []) + flags.map(\.name) where key.hasPrefix(prefix + ".") {
            let name = key.dropFirst(prefix.count + 1).prefix { $0 != "." }
            if !name.isEmpty, !found.contains(String(name)) { found.append(String(name)) }
        }
        return found
    }

    /// Reads a secret's file; the line end that editors add is no part of it.
    func secret(inFile path: String) -> String? {
        guard let data = FileManager.default.contents(atPath: path), var text = String(bytes: data, encoding: .utf8) else {
            return nil
        }
        while text.last?.isNewline == true { text.removeLast() }
        return text
    }
}
