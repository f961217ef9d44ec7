import Testing

@testable import Web

@Suite struct ContentDispositionTests {
    @Test(
        "names are cleaned",
        arguments: [
            ("flights.csv", "flights.csv"), ("../../etc/passwd", "_.._etc_passwd"), ("a\"b.csv", "a_b.csv"),
            ("a\r\nSet-Cookie: x", "aSet-Cookie_ x"),
            ("\u{202E}gpj.exe", "gpj.exe"), ("C:\\x.csv", "C__x.csv"), ("", "download"), ("...", "download"), ("-rf", "rf"),
            ("a. . ", "a"),
            ("\0", "download"), ("né.csv", "né.csv"), ("a\u{200B}b", "ab"),
        ])
    func cleaned(name: String, expected: String) {
        #expect(ContentDisposition.clean(name) == expected)
    }

    @Test("a name beyond ASCII goes out in both forms")
    func bothForms() {
        #expect(
            ContentDisposition.attachment("né 1.csv") == "attachment; filename=\"n_ 1.csv\"; filename*=UTF-8''n%C3%A9%201.csv")
    }

    @Test("a name of 4 KB is cut between characters")
    func long() {
        let name = ContentDisposition.clean(String(repeating: "é", count: 2000))
        #expect(name.utf8.count == 200)
    }
}
