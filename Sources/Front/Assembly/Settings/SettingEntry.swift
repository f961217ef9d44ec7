/// One line of the table of settings: what can be set, and what it means.
public struct SettingEntry: Sendable, Hashable {
    /// The key, as in the file: `engine.leaseSeconds`.
    public var name: String
    /// What kind of value it takes: `integer`, `duration`, `bytes`, …
    public var type: String
    /// The value if nothing is set, as text; empty if there is none.
    public var defaultText: String
    /// What values are allowed, in words; empty if all of the type are.
    public var range: String
    /// One sentence on what it does.
    public var summary: String
    /// Never shown, never given by a flag, and readable from a file that a variable names.
    public var isSecret: Bool

    /// The environment variable: `WAYBILL_ENGINE_LEASE_SECONDS`.
    public var variable: String { SettingEntry.variable(of: name) }

    /// A word ends where a small letter or digit is followed by a capital: `publicURL` is `PUBLIC_URL`.
    static func variable(of name: String) -> String {
        var result = "WAYBILL_"
        var previousIsSmall = false
        for character in name {
            if character == "." {
                result.append("_")
            } else {
                if character.isUppercase, previousIsSmall { result.append("_") }
                result.append(character.uppercased())
            }
            previousIsSmall = character.isLowercase || character.isNumber
        }
        return result
    }
}

/// Where a value comes from.
public enum SettingOrigin: Sendable, Hashable, CustomStringConvertible {
    /// A flag of the command, as it is written there: `--listen`.
    case flag(String)
    case variable(String)
    /// A file that a `…_FILE` variable names.
    case variableFile(variable: String, path: String)
    /// The configuration file.
    case file(String)
    case builtIn

    public var description: String {
        switch self {
        case .flag(let name): "flag \(name)"
        case .variable(let name): "variable \(name)"
        case .variableFile(let variable, let path): "file \(path), named by \(variable)"
        case .file(let path): "file \(path)"
        case .builtIn: "default"
        }
    }
}

/// What is in force for one key, and why.
public struct SettingValue: Sendable, Hashable {
    public var name: String
    /// The value as it would be written in the file; secrets are masked, and empty means not set.
    public var text: String
    public var origin: SettingOrigin
}

/// A value that a command's flag gives.
public struct SettingFlag: Sendable, Hashable {
    /// The flag as the user writes it: `--listen`.
    public var flag: String
    /// The key that it sets: `server.listen`.
    public var name: String
    public var value: String

    public init(flag: String, name: String, value: String) {
        self.flag = flag
        self.name = name
        self.value = value
    }
}
