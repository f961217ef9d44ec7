import Foundation
import Testing

@testable import Assembly

@Suite struct SettingsLoadTests {
    func file(_ text: String) throws -> SettingsFile {
        try SettingsFile(path: "waybill.yaml", content: [UInt8](text.utf8))
    }

    func problems(
        flags: [SettingFlag] = [], environment: [String: String] = [:], file text: String = ""
    ) throws -> [String] {
        do {
            _ = try Settings.load(flags: flags, environment: environment, file: try file(text))
            return []
        } catch let error as SettingsError {
            return error.problems.map(\.description)
        }
    }

    @Test("flags win over variables, variables over the file, the file over defaults")
    func precedence() throws {
        let yaml = try file("engine:\n  workers: 7\n")
        let name = "engine.workers"
        let variables = ["WAYBILL_ENGINE_WORKERS": "8"]
        let flag = SettingFlag(flag: "--set", name: name, value: "9")

        let built = try Settings.load(environment: [:])
        #expect(built.settings.engine.workers == 4)
        #expect(built.values.first { $0.name == name }?.origin == .builtIn)

        let filed = try Settings.load(environment: [:], file: yaml)
        #expect(filed.settings.engine.workers == 7)
        #expect(filed.values.first { $0.name == name }?.origin == .file("waybill.yaml"))

        let variable = try Settings.load(environment: variables, file: yaml)
        #expect(variable.settings.engine.workers == 8)
        #expect(variable.values.first { $0.name == name }?.origin == .variable("WAYBILL_ENGINE_WORKERS"))

        let flagged = try Settings.load(flags: [flag], environment: variables, file: yaml)
        #expect(flagged.settings.engine.workers == 9)
        #expect(flagged.values.first { $0.name == name }?.origin == .flag("--set"))
    }

    @Test("an empty variable counts as not set and hides nothing")
    func emptyVariable() throws {
        let loaded = try Settings.load(environment: ["WAYBILL_ENGINE_WORKERS": ""], file: try file("engine: {workers: 7}"))
        #expect(loaded.settings.engine.workers == 7)
    }

    @Test("a key without a value in the file counts as not set", arguments: ["", " ~", " null"])
    func emptyInFile(value: String) throws {
        let loaded = try Settings.load(environment: [:], file: try file("server:\n  publicURL:\(value)\n"))
        #expect(loaded.settings.server.publicURL == nil)
    }

    @Test(
        "a key's variable is its words in capitals",
        arguments: [
            ("engine.leaseSeconds", "WAYBILL_ENGINE_LEASE_SECONDS"), ("server.publicURL", "WAYBILL_SERVER_PUBLIC_URL"),
            ("exports.linkTTL", "WAYBILL_EXPORTS_LINK_TTL"), ("signing.key", "WAYBILL_SIGNING_KEY"),
            ("jobs.retention.completed", "WAYBILL_JOBS_RETENTION_COMPLETED"),
        ])
    func variableNames(key: String, variable: String) {
        #expect(SettingEntry.variable(of: key) == variable)
        #expect(Settings.entries.contains { $0.name == key && $0.variable == variable })
    }

    @Test("no two keys share a name or a variable")
    func distinct() {
        #expect(Set(Settings.entries.map(\.name)).count == Settings.entries.count)
        #expect(Set(Settings.entries.map(\.variable)).count == Settings.entries.count)
    }

    @Test("every default is a value that its own key accepts")
    func defaultsAreAllowed() throws {
        let flags = Settings.entries.filter { !$0.isSecret && !$0.defaultText.isEmpty }
            .map { SettingFlag(flag: "--set", name: $0.name, value: $0.defaultText) }
        #expect(flags.count > 30)
        #expect(try Settings.load(flags: flags, environment: [:]).settings == Settings.standard)
    }

    @Test("an unknown key is named, with the key that may be meant")
    func unknownKey() throws {
        #expect(
            try problems(file: "engine:\n  leaseSecond: 5\n") == [
                "engine.leaseSecond: no such key (from file waybill.yaml); did you mean engine.leaseSeconds?"
            ])
        #expect(try problems(file: "colour: red\n") == ["colour: no such key (from file waybill.yaml)"])
        #expect(try problems(file: "engine: 5\n") == ["engine: no such key (from file waybill.yaml); it is a group of keys"])
        #expect(
            try problems(flags: [SettingFlag(flag: "--set", name: "log.levl", value: "info")]) == [
                "log.levl: no such key (from flag --set); did you mean log.level?"
            ])
    }

    @Test("a bad value is reported with its key, origin and range")
    func badValues() throws {
        #expect(
            try problems(environment: ["WAYBILL_ENGINE_LEASE_SECONDS": "500"]) == [
                "engine.leaseSeconds: \"500\" (from variable WAYBILL_ENGINE_LEASE_SECONDS) is not allowed here; "
                    + "it takes duration (2s to 5m)"
            ])
        #expect(
            try problems(file: "engine: {workers: many}") == [
                "engine.workers: \"many\" (from file waybill.yaml) is not allowed here; it takes integer (1 to 256)"
            ])
        #expect(
            try problems(file: "log: {format: [text, json]}") == [
                "log.format: a list (from file waybill.yaml) is not allowed here; it takes choice (text, json)"
            ])
        #expect(
            try problems(flags: [SettingFlag(flag: "--listen", name: "server.listen", value: "8080")]) == [
                "server.listen: \"8080\" (from flag --listen) is not allowed here; it takes address (HOST:PORT)"
            ])
    }

    @Test("everything that is wrong is told at once")
    func allAtOnce() throws {
        let found = try problems(
            environment: ["WAYBILL_RATE_BURST": "0"], file: "engine: {workers: 0, lease: 3}\ndatasets: {a: {table: t}}\n")
        #expect(found.count == 7)
        for subject in ["rate.burst", "engine.workers", "engine.lease", "datasets.a"] {
            #expect(found.contains { $0.hasPrefix(subject + ":") }, "\(subject) is not told")
        }
    }

    @Test("numbers that fit nowhere are refused", arguments: ["99999999999999999999", "-1", "1e3", "0x10", "９", " 5", "5 "])
    func hugeNumbers(text: String) throws {
        for name in ["engine.workers", "engine.leaseSeconds", "engine.checkpointBytes"] {
            #expect(try problems(flags: [SettingFlag(flag: "--set", name: name, value: text)]).count == 1)
        }
    }

    @Test("a smallest delay over the largest is a conflict")
    func retryDelays() throws {
        let found = try problems(file: "engine: {retryDelayMinSeconds: 10m, retryDelayMaxSeconds: 1m}")
        #expect(found == ["engine.retryDelayMinSeconds: 10m is more than engine.retryDelayMaxSeconds, 1m"])
    }

    @Test("a variable that is nearly one of ours is warned of, others are left alone")
    func strayVariables() throws {
        let loaded = try Settings.load(environment: [
            "WAYBILL_ENGINE_LEASE_SECOND": "5", "WAYBILL_SERVICE_PORT_HTTP": "tcp://10.0.0.1:80", "PATH": "/bin",
        ])
        #expect(
            loaded.warnings == [
                "the variable WAYBILL_ENGINE_LEASE_SECOND has no effect; did you mean WAYBILL_ENGINE_LEASE_SECONDS?"
            ])
    }

    @Test("a file that is no YAML map is refused with its path", arguments: ["- a\n- b\n", "a: [1", "a: 1\na: 2\n", "just text"])
    func noMap(text: String) {
        #expect { try file(text) } throws: { error in
            (error as? SettingsError)?.problems.first?.description.hasPrefix("waybill.yaml: not a YAML map of settings") == true
        }
    }

    @Test("a file of comments sets nothing", arguments: ["", "# nothing\n", "\n\n  # a\r\n"])
    func blankFile(text: String) throws {
        #expect(try Settings.load(environment: [:], file: try file(text)).settings == Settings.standard)
    }

    @Test("a missing file is told by its path")
    func missingFile() {
        #expect { try SettingsFile(path: "/nowhere/waybill.yaml") } throws: { error in
            "\(error)" == "/nowhere/waybill.yaml: the file can't be read"
        }
    }
}
