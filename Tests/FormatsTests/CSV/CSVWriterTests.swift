import Formats
import Testing

@Suite struct CSVWriterTests {
    private func field(_ text: String, _ style: CSVStyle = .rfc4180) -> String {
        let writer = CSVWriter(style: style)
        let row = written { out in
            #expect([UInt8](text).exact { writer.text($0, to: out) })
            writer.endRow(out)
        }
        #expect(row.hasSuffix("\r\n"))
        return String(decoding: row.utf8.dropLast(2), as: UTF8.self)
    }

    @Test(
        "a text gets quotes where it needs them and nowhere else",
        arguments: [
            ("", "\"\""), ("a", "a"), ("ab", "ab"), ("abc", "abc"), ("abcd", "abcd"), ("a,b", "\"a,b\""), (",", "\",\""),
            ("a\"b", "\"a\"\"b\""), ("\"", "\"\"\"\""), ("a\nb", "\"a\nb\""), ("a\rb", "\"a\rb\""), (" a ", " a "),
            ("é€😀", "é€😀"),
            ("abcdefghijklmnop", "abcdefghijklmnop"), ("abcdefghijklmno,", "\"abcdefghijklmno,\""),
            (",bcdefghijklmnop", "\",bcdefghijklmnop\""), ("abcdefgh\"jklmnopq", "\"abcdefgh\"\"jklmnopq\""), ("=1+1", "=1+1"),
            ("a;b", "a;b"),
        ])
    func quoting(_ text: String, _ expected: String) {
        #expect(field(text) == expected)
    }

    @Test(
        "the spreadsheet profile disarms formulas",
        arguments: [
            ("=1+1", "\"'=1+1\""), ("+1", "\"'+1\""), ("-1", "\"'-1\""), ("@a", "\"'@a\""), ("\ta", "\"'\ta\""),
            ("\ra", "\"'\ra\""), ("＝1", "\"'＝1\""), ("＋1", "\"'＋1\""), ("－1", "\"'－1\""), ("＠1", "\"'＠1\""), ("a=1", "a=1"),
            ("１", "１"), ("=\"a\"", "\"'=\"\"a\"\"\""),
        ])
    func formulas(_ text: String, _ expected: String) {
        #expect(field(text, .spreadsheet) == expected)
    }

    @Test("every place of a sign that needs quotes is seen")
    func places() {
        for length in 1...40 {
            for place in 0..<length {
                for sign in [",", "\"", "\r", "\n"] {
                    let text = String(repeating: "x", count: place) + sign + String(repeating: "x", count: length - place - 1)
                    #expect(field(text).hasPrefix("\""))
                }
            }
        }
    }

    @Test("a row of all kinds")
    func row() throws {
        let style = try #require(CSVStyle(profile: .spreadsheet, delimiter: UInt8(ascii: ";")))
        let writer = CSVWriter(style: style)
        let text = written { out in
            writer.begin(out)
            writer.null(to: out)
            writer.integer(-5, to: out)
            #expect(writer.double(-0.25, to: out))
            writer.boolean(true, to: out)
            [UInt8]("1e5").exact { writer.verbatim($0, to: out) }
            #expect([UInt8]("a;b").exact { writer.text($0, to: out) })
            writer.null(to: out)
            writer.endRow(out)
        }
        #expect(text == "\u{FEFF};-5;-0.25;true;1e5;\"a;b\";\r\n")
    }

    @Test("what CSV can't hold is refused and leaves nothing")
    func refused() {
        let writer = CSVWriter()
        let out = OutputBuffer()
        #expect(!writer.double(.nan, to: out))
        #expect(![0x61, 0x2C, 0xFF].exact { writer.text($0, to: out) })
        #expect(![0xC3].exact { writer.text($0, to: out) })
        #expect(out.isEmpty)
    }

    @Test("a delimiter that could stand in a number or a quote is refused")
    func delimiters() {
        for byte in "\"'+-.0aZ @=\n\r\0".utf8 { #expect(CSVStyle(delimiter: byte) == nil) }
        #expect(CSVStyle(delimiter: 0x80) == nil)
        for byte in ",;\t|:".utf8 { #expect(CSVStyle(delimiter: byte) != nil) }
    }
}
