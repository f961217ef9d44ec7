import Testing

@testable import Web

@Suite struct JSONValueTests {
    @Test(
        "what is no strict JSON is refused",
        arguments: [
            "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "nul", "tru", "01", "-", "1.", ".5", "1e", "+1", "NaN",
            "1e999",
            "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\u0000\"", "\"a\nb\"", "1 2",
            "{\"a\":1,\"a\":2}", "{\"tenant\":1,\"\\u0074enant\":2}", "\u{FEFF}{}", "'a'", "// x\n1",
        ])
    func refused(text: String) {
        #expect(throws: JSONFault.self) { try JSONValue.parse(Array(text.utf8)) }
    }

    @Test("a string that is no UTF-8 is refused")
    func badUTF8() {
        #expect(throws: JSONFault.self) { try JSONValue.parse([0x22, 0xC3, 0x28, 0x22]) }
    }

    @Test("a text that is nested 100,000 deep is refused, at the level that is too deep")
    func deep() throws {
        let fault = #expect(throws: JSONFault.self) { try JSONValue.parse(Array(repeating: UInt8(ascii: "["), count: 100_000)) }
        #expect(fault?.offset == 65)
    }

    @Test("a fault says the byte at which it was noticed")
    func offset() throws {
        let fault = #expect(throws: JSONFault.self) { try JSONValue.parse(Array("{\"a\": x}".utf8)) }
        #expect(fault?.offset == 6)
    }

    @Test("values are read and written again as they were")
    func roundTrip() throws {
        let text = #"{"b":[1,-2,3.5,true,false,null],"a":{"x":"é😀\"\\\n"},"n":9223372036854775807}"#
        let value = try JSONValue.parse(Array(text.utf8))
        #expect(String(decoding: value.utf8, as: UTF8.self) == text)
        #expect(value["n"]?.integer == .max)
        #expect(value["b"]?.array?.count == 6)
        #expect(value["zzz"] == nil)
    }

    @Test("escapes and surrogate pairs are read")
    func escapes() throws {
        #expect(try JSONValue.parse(Array(#""\u00e9\ud83d\ude00\/\b\f\t""#.utf8)) == .string("é😀/\u{8}\u{C}\t"))
    }

    @Test("a whole number that does not fit stays a number")
    func largeNumber() throws {
        let value = try JSONValue.parse(Array("9223372036854775808".utf8))
        #expect(value == .double(9.223372036854775808e18))
        #expect(value.integer == nil)
    }
}
