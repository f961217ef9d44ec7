import Formats
import Testing

@Suite struct LosslessCSVTests {
    private static let kinds = LosslessColumn.Kind.allCases.map { LosslessColumn($0.rawValue, $0) }

    private func written(_ columns: [LosslessColumn], _ rows: [[LosslessValue]]) -> [UInt8] {
        let writer = LosslessCSVWriter(columnCount: columns.count)
        let out = OutputBuffer(capacity: 256)
        writer.header(columns, to: out)
        for row in rows {
            for value in row { #expect(writer.value(value, to: out)) }
            writer.endRow(isNull: row == [.null], to: out)
        }
        return out.takeBytes()
    }

    private func read(_ bytes: [UInt8], _ columns: [LosslessColumn], piece: Int = 7) throws -> [[LosslessValue]] {
        let reader = LosslessCSVReader(columns)
        var rows: [[LosslessValue]] = []
        func take() throws {
            try reader.read { row in
                rows.append(
                    try columns.indices.map { try LosslessCSVReader.value(row[$0], of: columns[$0], line: row.line) })
            }
        }
        var at = 0
        while at < bytes.count {
            reader.push(Array(bytes[at..<min(at + piece, bytes.count)]))
            try take()
            at += piece
        }
        reader.finish()
        try take()
        try reader.end()
        #expect(reader.rows == Int64(rows.count))
        return rows
    }

    private static let rows: [[LosslessValue]] = [
        [
            .text("a,\"b\"\r\nc, d"), .integer(.min), .number(0.1), .boolean(true), .instant(1_356_998_400_123_456),
            .bytes([0, 255, 254]), .json(#"["a","",null,"ü"]"#), .json(#"{"a":[1,2.5]}"#),
        ],
        [
            .text(""), .integer(.max), .number(-0.0), .boolean(false), .instant(RFC3339.range.lowerBound), .bytes([]),
            .json("[]"), .json("null"),
        ],
        Array(repeating: .null, count: 8),
        [
            .text(" =1+1"), .integer(0), .number(.infinity), .null, .instant(RFC3339.range.upperBound), .bytes([7]),
            .json(#"["-1"]"#), .json(#""""#),
        ],
        [
            .text("-1"), .integer(-1), .number(.leastNonzeroMagnitude), .null, .instant(0), .bytes([1, 2]), .json("[1e2]"),
            .json("true"),
        ],
        [.text("😀é\u{0301}"), .null, .number(-.infinity), .null, .instant(-1), .bytes([1, 2, 3, 4]), .null, .json("1")],
    ]

    @Test("what is written is read again as what it was, in pieces of any size", arguments: [1, 2, 3, 7, 64, 1 << 16])
    func roundTrip(_ piece: Int) throws {
        let bytes = written(Self.kinds, Self.rows)
        let again = try read(bytes, Self.kinds, piece: piece)
        #expect(again == Self.rows)
        // Equality of texts and of zeros is coarser than their bytes.
        #expect(written(Self.kinds, again) == bytes)
    }

    @Test("values by chance come back as they were")
    func chance() throws {
        var numbers = SeededNumbers(4)
        let columns = [LosslessColumn("a", .number), LosslessColumn("b", .bytes), LosslessColumn("c", .text)]
        let letters = Array("a,\"\r\n =é😀\\".unicodeScalars)
        let rows = (0..<2000).map { _ -> [LosslessValue] in
            let bits = Double(bitPattern: numbers.next())
            let bytes = (0..<Int.random(in: 0...9, using: &numbers)).map { _ in UInt8.random(in: 0...255, using: &numbers) }
            var text = ""
            for _ in 0..<Int.random(in: 0...6, using: &numbers) {
                text.unicodeScalars.append(letters[Int.random(in: 0..<letters.count, using: &numbers)])
            }
            return [bits.isNaN ? .null : .number(bits), .bytes(bytes), .text(text)]
        }
        let bytes = written(columns, rows)
        #expect(written(columns, try read(bytes, columns, piece: 4096)) == bytes)
        #expect(try read(bytes, columns, piece: 4096) == rows)
    }

    @Test("the file has a header, CRLF, no mark, and a null that differs from an empty text")
    func form() {
        let columns = [LosslessColumn("a", .text), LosslessColumn("b", .instant)]
        let text = String(decoding: written(columns, [[.null, .instant(0)], [.text(""), .null]]), as: UTF8.self)
        #expect(text == "a,b\r\n,1970-01-01T00:00:00.000000Z\r\n\"\",\r\n")
        #expect(String(decoding: written(columns, []), as: UTF8.self) == "a,b\r\n")
    }

    @Test("a row of one null column is told from an empty text and from nothing")
    func oneColumn() throws {
        let columns = [LosslessColumn("a", .text)]
        let rows: [[LosslessValue]] = [[.null], [.text("")], [.text("true")], [.null]]
        let bytes = written(columns, rows)
        #expect(String(decoding: bytes, as: UTF8.self) == "a,_null\r\n,true\r\n\"\",\r\ntrue,\r\n,true\r\n")
        #expect(try read(bytes, columns) == rows)
        #expect(throws: LosslessError(line: 2, "the column _null does not say what the field is")) {
            try read(Array("a,_null\r\nx,true\r\n".utf8), columns)
        }
    }

    @Test("columns may stand in another order")
    func order() throws {
        let columns = [LosslessColumn("a", .integer), LosslessColumn("b", .text)]
        #expect(try read(Array("b,a\r\nx,1\r\n".utf8), columns) == [[.integer(1), .text("x")]])
    }

    @Test(
        "what does not fit is refused with its line and the reason",
        arguments: [
            ("a,b,c\r\n", 1, "the column ‘c’ is not known"), ("a\r\n", 1, "the column ‘b’ is missing"),
            ("a,A\r\n", 1, "the column ‘A’ is not known"), ("a,b,a\r\n", 1, "the column ‘a’ stands twice"),
            ("", 1, "there is no header"), ("a,b\r\n1,x\r\n2\r\n", 3, "1 fields, and the header has 2"),
            ("a,b\r\n1,x\r\n1.5,x\r\n", 3, "‘1.5’ in the column a is no integer"),
            ("a,b\r\n1,\"x\r\ny\"\r\nz,x\r\n", 4, "‘z’ in the column a is no integer"),
            ("a,b\r\n\"1\"x,y\r\n", 2, "there is text after a closing quote"),
            ("a,b\r\n\r\n", 2, "1 fields, and the header has 2"),
            ("a,b\r\n1,\"x", 2, "a quoted field is not closed before the end"),
        ])
    func refusals(_ text: String, _ line: Int, _ reason: String) {
        let columns = [LosslessColumn("a", .integer), LosslessColumn("b", .text)]
        #expect(throws: LosslessError(line: line, reason)) { try read(Array(text.utf8), columns) }
    }

    @Test(
        "a cell that is none of its type is refused",
        arguments: [
            (LosslessColumn.Kind.boolean, "TRUE"), (.instant, "2013-01-01"), (.bytes, "YQ"), (.bytes, "YR=="), (.bytes, "Y?=="),
            (.number, "1,5"), (.number, "inf"), (.list, "{}"), (.json, "{"), (.integer, "9223372036854775808"),
        ])
    func types(_ kind: LosslessColumn.Kind, _ text: String) {
        let columns = [LosslessColumn("a", kind), LosslessColumn("b", .text)]
        #expect(throws: LosslessError.self) { try read(Array("a,b\r\n\"\(text)\",\r\n".utf8), columns) }
    }

    @Test("an instant that no year of four digits holds is not written")
    func farInstant() {
        let out = OutputBuffer()
        #expect(!LosslessCSVWriter(columnCount: 2).value(.instant(.max), to: out))
        #expect(out.isEmpty)
    }

    @Test("Python's csv reads the file", .enabled(if: Python.isThere))
    func python() throws {
        let columns = [LosslessColumn("a", .text), LosslessColumn("b", .number)]
        let texts = ["plain", "a,\"b\"\r\nc", "", " é😀 ", "=1", "two\nlines"]
        try withTemporaryFolder { folder in
            try save(written(columns, texts.map { [.text($0), .number(0.1)] }), "\(folder)/a.csv")
            let script = """
                import csv, sys
                rows = list(csv.reader(open(sys.argv[1], newline="", encoding="utf-8"), strict=True))
                print(rows == [["a", "b"]] + [[text, "0.1"] for text in sys.argv[2:]])
                """
            #expect(try Python.run(script, ["\(folder)/a.csv"] + texts) == ("True\n", 0))
        }
    }

    @Test("a row that was read is written as it came, or anew where its columns stand in another order")
    func copied() throws {
        let header = Self.kinds.map(\.name).joined(separator: ",") + "\r\n"
        let whole = written(Self.kinds, Self.rows)
        // The same cells from the last column to the first.
        let turned = written(Self.kinds.reversed(), Self.rows.map { $0.reversed() })
        for (bytes, columns) in [(whole, Self.kinds), (turned, Self.kinds)] {
            let reader = LosslessCSVReader(columns)
            reader.push(bytes)
            reader.finish()
            let out = OutputBuffer(capacity: 256)
            out.append(utf8: header)
            var lines: [Int] = []
            while let row = try reader.next() { lines.append(row.append(to: out)) }
            #expect(out.takeBytes() == whole)
            #expect(lines == [2, 1, 1, 1, 1, 1])
        }
        let single = [LosslessColumn("id", .text)]
        let reader = LosslessCSVReader(single)
        reader.push(Array("_null,id\n,\"\"\ntrue,\n,a\n".utf8))
        let out = OutputBuffer(capacity: 64)
        while let row = try reader.next() { _ = row.append(to: out) }
        #expect(String(decoding: out.takeBytes(), as: UTF8.self) == "\"\",\r\n,true\r\na,\r\n")
    }
}
