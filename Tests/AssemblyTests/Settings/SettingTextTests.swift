import Testing

@testable import Assembly

@Suite struct SettingTextTests {
    @Test(
        "durations are read with units or as plain seconds",
        arguments: [
            ("0", 0), ("90", 90_000), ("90s", 90_000), ("15m", 900_000), ("1h30m", 5_400_000), ("7d", 604_800_000),
            ("2w", 1_209_600_000), ("250ms", 250), ("1m1s1ms", 61_001),
        ] as [(String, Int64)])
    func durations(text: String, milliseconds: Int64) {
        #expect(DurationText.parse(text) == .milliseconds(milliseconds))
    }

    @Test(
        "what is no duration is refused",
        arguments: [
            "", "m", "1x", "-5", "+5", "5 m", "1.5h", "15M", "1h30", "99999999999999999999", "9223372036854775807",
            "9223372036854775807w",
            "9000000000000d9000000000000d",
        ])
    func noDurations(text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test(
        "a duration is written in its largest whole unit and reads back",
        arguments: [0, 1, 250, 1000, 90_000, 900_000, 86_400_000, 129_600_000])
    func durationText(milliseconds: Int64) {
        let duration = Duration.milliseconds(milliseconds)
        #expect(DurationText.parse(DurationText.format(duration)) == duration)
    }

    @Test("durations look the way people write them")
    func durationLooks() {
        #expect(DurationText.format(.seconds(900)) == "15m")
        #expect(DurationText.format(.seconds(90)) == "90s")
        #expect(DurationText.format(.seconds(604_800)) == "7d")
        #expect(DurationText.format(.milliseconds(1500)) == "1500ms")
    }

    @Test(
        "numbers of bytes are read with and without units",
        arguments: [("64MiB", 64 << 20), ("1GiB", 1 << 30), ("512 KiB", 512 << 10), ("100", 100), ("7B", 7)])
    func bytes(text: String, count: Int) {
        #expect(ByteCountText.parse(text) == count)
        #expect(ByteCountText.parse(ByteCountText.format(count)) == count)
    }

    @Test("what is no number of bytes is refused", arguments: ["", "MiB", "1MB", "-1", "1.5GiB", "99999999999GiB", "1KiB2"])
    func noBytes(text: String) {
        #expect(ByteCountText.parse(text) == nil)
    }

    @Test("addresses are a host and a port")
    func addresses() {
        #expect(ListenAddress("127.0.0.1:8080") == ListenAddress(host: "127.0.0.1", port: 8080))
        #expect(ListenAddress("[::1]:0") == ListenAddress(host: "::1", port: 0))
        #expect(ListenAddress("[::1]:0")?.description == "[::1]:0")
        for text in ["", "8080", ":8080", "host:", "host:65536", "host:-1", "::1:80", "[::1", "a b:1", "http://h:1"] {
            #expect(ListenAddress(text) == nil, "\(text) is no address")
        }
    }

    @Test("a public address is http or https and loses its last slash")
    func publicURL() throws {
        func load(_ text: String) throws -> String? {
            try Settings.load(environment: ["WAYBILL_SERVER_PUBLIC_URL": text]).settings.server.publicURL
        }
        #expect(try load("https://files.example.org/waybill/") == "https://files.example.org/waybill")
        for text in ["files.example.org", "ftp://a", "http://", "https:///x", "http://a?b", "http://a b"] {
            #expect(throws: SettingsError.self) { try load(text) }
        }
    }

    @Test("a name is near enough with few edits only")
    func nearest() {
        #expect(NearestName.of("engine.worker", among: ["engine.workers", "engine.lease"]) == "engine.workers")
        #expect(NearestName.of("colour", among: ["engine.workers"]) == nil)
        #expect(NearestName.edits("kitten", "sitting") == 3)
        #expect(NearestName.edits("ab", "ba") == 1)
        #expect(NearestName.edits("", "abc") == 3)
    }
}
