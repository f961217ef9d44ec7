import Testing
import WaybillEngine

@testable import Assembly

@Suite struct AccessSettingsTests {
    @Test("keys are fetched in secret, or from this machine")
    func keyAddresses() {
        let good = [
            "https://id.example/keys", "https://id.example:8443/keys?v=1", "http://127.0.0.1:9000/jwks.json",
            "http://127.3.2.1/k",
            "http://localhost/k", "http://[::1]:80/k", "https://[2001:db8::1]/k",
        ]
        for text in good { #expect(AccessSettings.isKeyAddress(text), "\(text)") }
        let bad = [
            "", "id.example", "http://id.example/keys", "http://127.0.0.1.example/k", "http://1270.0.0.1/k", "http://10.0.0.1/k",
            "http://127.0.0.1@evil.example/k", "https://user:secret@id.example/k", "ftp://127.0.0.1/k", "https://", "https:///k",
            "https://id.example/a b", "file:///etc/passwd", "http://[2001:db8::1]/k", "https://id.example/#a",
        ]
        for text in bad { #expect(!AccessSettings.isKeyAddress(text), "\(text)") }
    }

    @Test("where the keys come from and whom the tokens must name is read; a wrong address stops the start")
    func read() throws {
        let environment = [
            "WAYBILL_ACCESS_JWKS_URL": "https://id.example/keys", "WAYBILL_ACCESS_ISSUER": "https://id.example",
            "WAYBILL_ACCESS_AUDIENCE": "waybill", "WAYBILL_ACCESS_JWKS_REFRESH": "1h",
        ]
        let access = try Settings.load(environment: environment).settings.access
        #expect(access.jwksURL == "https://id.example/keys" && access.issuer == "https://id.example")
        #expect(access.audience == "waybill" && access.jwksRefresh == .seconds(3600))
        #expect(throws: SettingsError.self) {
            try Settings.load(environment: ["WAYBILL_ACCESS_JWKS_URL": "http://id.example/keys"])
        }
    }

    @Test("each time of retention reaches the engine")
    func retention() throws {
        let flags = [
            ("completed", "11d"), ("failed", "12d"), ("cancelled", "13d"), ("expired", "14d"),
        ].map { SettingFlag(flag: "--set", name: "jobs.retention.\($0.0)", value: $0.1) }
        let kept = EngineConfiguration(try Settings.load(flags: flags, environment: [:]).settings).retention
        let day = Duration.seconds(86_400)
        #expect([kept.completed, kept.failed, kept.cancelled, kept.expired] == [day * 11, day * 12, day * 13, day * 14])
    }
}
