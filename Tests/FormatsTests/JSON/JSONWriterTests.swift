import Formats
import Testing

@Suite struct JSONWriterTests {
    @Test(
        "strings are escaped where JSON asks for it and nowhere else",
        arguments: [
            ("", "\"\""), ("a", "\"a\""), ("é€😀/", "\"é€😀/\""), ("a\"b\\c", #""a\"b\\c""#),
            ("\n\r\t\u{8}\u{C}", #""\n\r\t\b\f""#),
            ("\u{1}\u{1F}\0\u{7F}", "\"\\u0001\\u001f\\u0000\u{7F}\""), ("abcdefghijklmnop\"", #""abcdefghijklmnop\"""#),
        ])
    func escaping(_ text: String, _ expected: String) {
        let out = OutputBuffer()
        let isWritten = [UInt8](text).exact { JSONWriter.string($0, to: out) }
        #expect(isWritten)
        #expect(String(decoding: out.bytes, as: UTF8.self) == expected)
        #expect(written { JSONWriter.string(text, to: $0) } == expected)
    }

    @Test("bytes that are not UTF-8 are refused and leave nothing")
    func refused() {
        let out = OutputBuffer()
        let isWritten = [0x61, 0xC3].exact { JSONWriter.string($0, to: out) }
        #expect(!isWritten)
        #expect(out.isEmpty)
    }

    @Test("what is written is read again as it was", arguments: 0..<20)
    func roundTrip(_ seed: Int) throws {
        var random = SeededNumbers(UInt64(seed))
        let pieces = ["a", "\"", "\\", "\n", "\u{1}", "é", "€", "😀", "u0041", "0123456789"]
        for _ in 0..<200 {
            let text = (0..<Int.random(in: 0..<20, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
                .joined()
            try [UInt8](written { JSONWriter.string(text, to: $0) }).exact { bytes in
                let value = try JSONValue.scan(bytes)
                #expect(value.string(in: bytes) == text)
                #expect(written { value.appendText(in: bytes, to: $0) } == text)
            }
        }
    }

    @Test(
        "escapes are read",
        arguments: [(#""\u0041\u00e9\u20ac\ud83d\ude00\/""#, "Aé€😀/"), (#""\b\f\n\r\t\"\\""#, "\u{8}\u{C}\n\r\t\"\\")])
    func unescape(_ text: String, _ expected: String) throws {
        try [UInt8](text).exact { bytes in
            let value = try JSONValue.scan(bytes)
            #expect(value.string(in: bytes) == expected)
        }
    }

    @Test("white space is removed outside strings only")
    func compact() throws {
        try [UInt8](" { \"a b\" : [ 1 , \" \\\" x \" ] ,\n\"c\":{ } } ").exact { bytes in
            let value = try JSONValue.scan(bytes)
            #expect(written { value.appendCanonical(in: bytes, to: $0) } == "{\"a b\":[1,\" \\\" x \"],\"c\":{}}")
        }
    }
}
