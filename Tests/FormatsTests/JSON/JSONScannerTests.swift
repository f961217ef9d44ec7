import Formats
import Testing

@Suite struct JSONScannerTests {
    private func code(_ bytes: [UInt8], depthMax: Int = 64) -> String? {
        bytes.exact { bytes -> String? in
            do throws(JSONError) {
                _ = try JSONValue.scan(bytes, depthMax: depthMax)
                return nil
            } catch {
                return error.code.name
            }
        }
    }

    @Test(
        "what RFC 8259 allows is accepted",
        arguments: [
            "{}", "[]", " \t\r\n[ ] ", "0", "-0", "-1.5e+10", "1E5", "0.1", "true", "false", "null", "\"\"", "\"a\"", "\"é€😀\"",
            #""\"\\\/\b\f\n\r\t""#, #""\u00e9\ud83d\ude00""#, #"{"a":{"b":[1,{"c":[]}, "x" ]},"d":{}}"#, "[[[[[]]]]]",
            "[1,2,[3,4],5]",
            #"{"a":1,"a":2}"#, #"{"":0}"#, "\"\u{7F}\"", "123456789012345678901234567890", "\"abcdefghijklmnopqrstuvwxyz\"",
        ])
    func valid(_ text: String) {
        #expect(code([UInt8](text)) == nil)
    }

    @Test(
        "what RFC 8259 does not allow is refused with its code",
        arguments: [
            ("", "JSON_UNEXPECTED_END"), (" ", "JSON_UNEXPECTED_END"), ("{", "JSON_UNEXPECTED_END"),
            ("[1", "JSON_UNEXPECTED_END"),
            ("[1,", "JSON_UNEXPECTED_END"), ("[1,]", "JSON_UNEXPECTED_BYTE"), ("{,}", "JSON_UNEXPECTED_BYTE"),
            (#"{"a"}"#, "JSON_UNEXPECTED_BYTE"), (#"{"a":}"#, "JSON_UNEXPECTED_BYTE"), (#"{"a":1,}"#, "JSON_UNEXPECTED_BYTE"),
            ("{1:2}", "JSON_UNEXPECTED_BYTE"), ("[1}", "JSON_UNEXPECTED_BYTE"), (#"{"a":1]"#, "JSON_UNEXPECTED_BYTE"),
            ("[1 2]", "JSON_UNEXPECTED_BYTE"), ("]", "JSON_UNEXPECTED_BYTE"), ("1 2", "JSON_TRAILING_BYTES"),
            ("{}x", "JSON_TRAILING_BYTES"), ("01", "JSON_BAD_NUMBER"), ("-", "JSON_UNEXPECTED_END"), ("-x", "JSON_BAD_NUMBER"),
            ("1.", "JSON_BAD_NUMBER"), ("1.e5", "JSON_BAD_NUMBER"), ("1e", "JSON_BAD_NUMBER"), ("1e+", "JSON_BAD_NUMBER"),
            (".5", "JSON_UNEXPECTED_BYTE"), ("+1", "JSON_UNEXPECTED_BYTE"), ("NaN", "JSON_UNEXPECTED_BYTE"),
            ("nul", "JSON_UNEXPECTED_END"), ("nulx", "JSON_UNEXPECTED_BYTE"), ("True", "JSON_UNEXPECTED_BYTE"),
            ("'a'", "JSON_UNEXPECTED_BYTE"), ("\"a", "JSON_UNEXPECTED_END"), ("\"a\\", "JSON_UNEXPECTED_END"),
            (#""\x""#, "JSON_BAD_ESCAPE"), (#""\u12g4""#, "JSON_BAD_ESCAPE"), (#""\u12"#, "JSON_UNEXPECTED_END"),
            (#""\ud800""#, "JSON_LONE_SURROGATE"), (#""\udc00""#, "JSON_LONE_SURROGATE"),
            (#""\ud800\ud800""#, "JSON_LONE_SURROGATE"),
            (#""\ud800x""#, "JSON_LONE_SURROGATE"), (#""\ud800\n""#, "JSON_LONE_SURROGATE"), (#""\u0000""#, "JSON_NUL"),
            ("\"a\0\"", "JSON_NUL"), ("\"a\nb\"", "JSON_CONTROL_CHARACTER"), ("\"abcdefgh\u{1F}\"", "JSON_CONTROL_CHARACTER"),
            ("// c\n1", "JSON_UNEXPECTED_BYTE"), ("\u{FEFF}1", "JSON_UNEXPECTED_BYTE"), ("\u{A0}1", "JSON_UNEXPECTED_BYTE"),
        ])
    func invalid(_ text: String, _ expected: String) {
        #expect(code([UInt8](text)) == expected)
    }

    @Test(
        "strings that are not UTF-8 are refused",
        arguments: [
            [0xC0, 0xAF], [0xFF], [0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3], [0xE2, 0x82],
        ] as [[UInt8]])
    func badUTF8(_ bytes: [UInt8]) {
        #expect(code([0x22] + bytes + [0x22]) == "JSON_INVALID_UTF8")
        #expect(code([0x22] + [UInt8]("12345678") + bytes + [UInt8]("123456789\"")) == "JSON_INVALID_UTF8")
    }

    @Test("nesting is limited")
    func depth() {
        func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
            [UInt8](String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth))
        }
        #expect(code(nested(64, "[", "]")) == nil)
        #expect(code(nested(65, "[", "]")) == "JSON_TOO_DEEP")
        #expect(code(nested(64, "{\"a\":", "}")) == nil)
        #expect(code(nested(65, "{\"a\":", "}")) == "JSON_TOO_DEEP")
        #expect(code(nested(100_000, "[", "]")) == "JSON_TOO_DEEP")
        #expect(code(nested(3, "[", "]"), depthMax: 2) == "JSON_TOO_DEEP")
        #expect(code([UInt8]("[[1],[2],[[3]]]"), depthMax: 3) == nil)
        let scanner = JSONObjectScanner(depthMax: 2)
        #expect(throws: JSONError.self) { try [UInt8]("{\"a\":[[1]]}").exact { try scanner.scan($0) } }
        #expect(throws: Never.self) { try [UInt8]("{\"a\":[1]}").exact { try scanner.scan($0) } }
    }

    @Test("the members of an object are listed with kind and place")
    func members() throws {
        let text = #" { "a" : "x" , "b\n":-12, "c":1.5e3,"d":true,"e":false,"f":null,"g":[1, "]"],"h":{"i":{}},"j":"\u00e9\\" } "#
        let scanner = JSONObjectScanner()
        try [UInt8](text).exact { bytes in
            try scanner.scan(bytes)
            let kinds: [JSONKind] = [.string, .integer, .number, .yes, .no, .null, .array, .object, .escapedString]
            #expect((0..<scanner.count).map { scanner[$0].value.kind } == kinds)
            let names = (0..<scanner.count).map { scanner[$0].name.string(in: bytes) ?? "" }
            #expect(names == ["a", "b\n", "c", "d", "e", "f", "g", "h", "j"])
            let raws = (0..<scanner.count).map { String(decoding: scanner[$0].value.raw(in: bytes), as: UTF8.self) }
            #expect(raws == ["\"x\"", "-12", "1.5e3", "true", "false", "null", "[1, \"]\"]", "{\"i\":{}}", "\"\\u00e9\\\\\""])
            #expect(scanner[1].value.int64(in: bytes) == -12)
            #expect(scanner[1].value.double(in: bytes) == -12)
            #expect(scanner[2].value.int64(in: bytes) == nil)
            #expect(scanner[2].value.double(in: bytes) == 1500)
            #expect(scanner[8].value.string(in: bytes) == "é\\")
            #expect(scanner[0].value.int64(in: bytes) == nil)
            let compact = written { scanner[6].value.appendCanonical(in: bytes, to: $0) }
            #expect(compact == "[1,\"]\"]")
        }
    }

    @Test("an object with many members is listed whole, and too many are refused")
    func manyMembers() throws {
        let text = "{" + (0..<1000).map { "\"k\($0)\":\($0)" }.joined(separator: ",") + "}"
        let scanner = JSONObjectScanner(membersMax: 1000)
        try [UInt8](text).exact { bytes in
            try scanner.scan(bytes)
            #expect(scanner.count == 1000)
            #expect((0..<1000).allSatisfy { scanner[$0].value.int64(in: bytes) == Int64($0) })
        }
        let small = JSONObjectScanner(membersMax: 999)
        #expect(throws: JSONError(.tooLarge, offset: text.utf8.count - "\"k999\":999}".utf8.count)) {
            try [UInt8](text).exact { try small.scan($0) }
        }
    }

    @Test(
        "what is no object is refused",
        arguments: ["[]", "1", "\"{}\"", "", "{} {}", "{\"a\":1", "{\"a\" 1}", "{\"a\":1 \"b\":2}"])
    func notAnObject(_ text: String) {
        let scanner = JSONObjectScanner()
        #expect(throws: JSONError.self) { try [UInt8](text).exact { try scanner.scan($0) } }
        #expect(scanner.count == 0)
    }

    @Test("the elements of an array are given one by one")
    func elements() throws {
        let text = #"[1, "a" ,[2,3],{"x":[]},null]"#
        try [UInt8](text).exact { bytes in
            var elements = try JSONValue.scan(bytes).elements(in: bytes)
            var found: [String] = []
            while let value = elements.next() { found.append(String(decoding: value.raw(in: bytes), as: UTF8.self)) }
            #expect(found == ["1", "\"a\"", "[2,3]", "{\"x\":[]}", "null"])
        }
        try [UInt8]("[ ]").exact { bytes in
            var elements = try JSONValue.scan(bytes).elements(in: bytes)
            #expect(elements.next() == nil)
        }
    }

    @Test("no bytes crash the scanner", arguments: 0..<20)
    func anything(_ seed: Int) {
        var random = SeededNumbers(UInt64(seed))
        let alphabet = ["{", "}", "[", "]", ",", ":", "\"a\"", "\"", "\\u", "d800", "1", "-", ".", "e", " ", "true", "é", "\0"]
        for _ in 0..<500 {
            let text = (0..<Int.random(in: 0..<30, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "" }
                .joined()
            _ = code([UInt8](text))
        }
    }
}
