import Foundation
import Testing

@testable import Assembly

@Suite struct SecretSettingsTests {
    static let secret = "0123456789abcdef0123456789abcdef"

    /// Runs `body` with a file that holds `text`.
    func withFile(_ text: String, _ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "waybill-secret-" + ProcessInfo.processInfo.globallyUniqueString
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    func message(_ flags: [SettingFlag] = [], _ environment: [String: String]) -> String {
        do {
            _ = try Settings.load(flags: flags, environment: environment)
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test("a secret is read from its variable and masked where values are shown")
    func variable() throws {
        let loaded = try Settings.load(environment: ["WAYBILL_SIGNING_KEY": Self.secret])
        #expect(loaded.settings.access.signingKey == Self.secret)
        let shown = loaded.values.first { $0.name == "signing.key" }
        #expect(shown?.text == "********")
        #expect(!loaded.values.contains { $0.text.contains(Self.secret) })
    }

    @Test("a secret is read from the file that its variable names, without the line end")
    func variableFile() throws {
        try withFile(Self.secret + "\n") { path in
            let loaded = try Settings.load(environment: ["WAYBILL_SIGNING_KEY_FILE": path])
            #expect(loaded.settings.access.signingKey == Self.secret)
            #expect(
                loaded.values.first { $0.name == "signing.key" }?.origin
                    == .variableFile(variable: "WAYBILL_SIGNING_KEY_FILE", path: path))
        }
    }

    @Test("a secret given twice is refused, not guessed")
    func both() throws {
        try withFile(Self.secret) { path in
            let text = message(["WAYBILL_SIGNING_KEY": Self.secret, "WAYBILL_SIGNING_KEY_FILE": path])
            #expect(text == "signing.key: WAYBILL_SIGNING_KEY and WAYBILL_SIGNING_KEY_FILE are both set; set one of them")
        }
    }

    @Test("an empty variable does not hide the secret's file")
    func emptyBesideFile() throws {
        try withFile(Self.secret) { path in
            let loaded = try Settings.load(environment: ["WAYBILL_SIGNING_KEY": "", "WAYBILL_SIGNING_KEY_FILE": path])
            #expect(loaded.settings.access.signingKey == Self.secret)
        }
    }

    @Test("a short secret is refused without telling it")
    func short() {
        let text = message(["WAYBILL_SIGNING_KEY": "hunter2"])
        #expect(text == "signing.key: the value from variable WAYBILL_SIGNING_KEY is no text of 32 bytes or more")
    }

    @Test("a secret's file that can't be read is an error")
    func unreadable() {
        #expect(
            message(["WAYBILL_SIGNING_KEY_FILE": "/nowhere/key"])
                == "signing.key: the file /nowhere/key, named by WAYBILL_SIGNING_KEY_FILE, can't be read")
    }

    @Test("a secret is not taken from a flag")
    func flag() {
        let text = message([SettingFlag(flag: "--set", name: "signing.key", value: Self.secret)], [:])
        #expect(text == "signing.key: a secret can't be given by --set, where other users of the machine see it")
    }

    @Test("a file that is no YAML is told without its text")
    func brokenFile() {
        #expect { try SettingsFile(path: "f.yaml", content: [UInt8]("signing: {key: hunter2hunter2hunter2".utf8)) } throws: {
            error in
            !"\(error)".contains("hunter2") && "\(error)".hasPrefix("f.yaml: ")
        }
    }

    private func message(_ environment: [String: String]) -> String { message([], environment) }
}
