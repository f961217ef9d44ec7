import Formats
import Foundation
import Testing

@Suite struct XLSXWriterTests {
    private static let createdAt: Int64 = 1_357_016_401_000_000

    private func make(_ folder: String, _ name: String = "a.xlsx", _ body: (XLSXWriter) throws -> Void) throws -> String {
        let path = folder + "/" + name
        let writer = try XLSXWriter(path: path, temporaryFolder: folder, createdAt: XLSXWriterTests.createdAt)
        try body(writer)
        try writer.close()
        return path
    }

    private func text(_ text: String, _ writer: XLSXWriter) -> XLSXError.Code? {
        [UInt8](text).exact { writer.text($0) }
    }

    private func sampleRows(_ writer: XLSXWriter) throws {
        try writer.header(["id", "größe"])
        writer.integer(1)
        #expect(text("<é> & \"😀\"\nb", writer) == nil)
        writer.boolean(true)
        writer.boolean(false)
        writer.null()
        #expect(writer.double(0.25) == nil)
        writer.integer(9_007_199_254_740_992)
        writer.integer(9_007_199_254_740_993)
        #expect(text("a\rb_x0041_ _x00_", writer) == nil)
        try writer.endRow()
    }

    @Test("python finds the cells in the sheet", .enabled(if: Python.isThere))
    func cells() throws {
        try withTemporaryFolder { folder in
            let path = try make(folder) { try sampleRows($0) }
            let script = """
                import sys, zipfile, xml.etree.ElementTree as E
                z = zipfile.ZipFile(sys.argv[1])
                assert z.testzip() is None
                n = '{http://schemas.openxmlformats.org/spreadsheetml/2006/main}'
                s = E.fromstring(z.read('xl/worksheets/sheet1.xml'))
                for c in s.iter(n + 'c'): print(c.get('r'), c.get('t'), repr(''.join(c.itertext())))
                print([p.get('state') for p in s.iter(n + 'pane')], [p.get('ySplit') for p in s.iter(n + 'pane')])
                print(b'2013-01-01T05:00:01Z' in z.read('docProps/core.xml'), b'<b/>' in z.read('xl/styles.xml'))
                """
            let (output, status) = try Python.run(script, [path])
            #expect(status == 0)
            #expect(
                output == """
                    A1 inlineStr 'id'
                    B1 inlineStr 'größe'
                    A2 None '1'
                    B2 inlineStr '<é> & "😀"\\nb'
                    C2 b '1'
                    D2 b '0'
                    F2 None '0.25'
                    G2 None '9007199254740992'
                    H2 inlineStr '9007199254740993'
                    I2 inlineStr 'a_x000D_b_x005F_x0041_ _x00_'
                    ['frozen'] ['1']
                    True True

                    """)
        }
    }

    @Test("equal rows give equal files")
    func repeatable() throws {
        try withTemporaryFolder { folder in
            let first = try make(folder, "a.xlsx") { try sampleRows($0) }
            let second = try make(folder, "b.xlsx") { try sampleRows($0) }
            #expect(try load(first) == load(second))
            #expect(try !load(first).isEmpty)
        }
    }

    @Test("what a cell can't hold is said, and its row can be dropped")
    func refused() throws {
        try withTemporaryFolder { folder in
            _ = try make(folder) { writer in
                writer.integer(1)
                #expect(text(String(repeating: "x", count: 32_768), writer) == .textTooLong)
                #expect(text(String(repeating: "😀", count: 16_384), writer) == .textTooLong)
                for bad in ["a\u{1}", "\0", "\u{1B}", "\u{FFFE}", "\u{FFFF}"] { #expect(text(bad, writer) == .controlCharacter) }
                #expect([0xC3].exact { writer.text($0) } == .invalidUTF8)
                #expect([0xEF].exact { writer.text($0) } == .invalidUTF8)
                #expect(writer.double(.nan) == .notANumber)
                #expect(writer.double(.infinity) == .notANumber)
                writer.discardRow()
                #expect(writer.rowCount == 0)
                #expect(text(String(repeating: "x", count: 32_767), writer) == nil)
                #expect(text("\u{FFFD}", writer) == nil)
                try writer.endRow()
                #expect(writer.rowCount == 1)
            }
        }
    }

    @Test("rows over the sheet's end are refused")
    func tooManyRows() throws {
        try withTemporaryFolder { folder in
            let writer = try XLSXWriter(path: folder + "/a.xlsx", temporaryFolder: folder, createdAt: 0)
            for _ in 0..<XLSXWriter.rowsMax { try writer.endRow() }
            #expect(throws: XLSXError(.tooManyRows)) { try writer.endRow() }
            let wide = try XLSXWriter(path: folder + "/b.xlsx", temporaryFolder: folder, createdAt: 0)
            for _ in 0...XLSXWriter.columnsMax { wide.null() }
            #expect(throws: XLSXError(.tooManyColumns)) { try wide.endRow() }
        }
    }

    @Test("a file that can't be made is an error, and nothing can be written to a closed one")
    func notWritten() throws {
        try withTemporaryFolder { folder in
            let writer = try XLSXWriter(path: folder + "/none/a.xlsx", temporaryFolder: folder, createdAt: 0)
            writer.integer(1)
            try writer.endRow()
            #expect(throws: XLSXError.self) { try writer.close() }
            #expect(throws: XLSXError(.notWritten, detail: "closed already")) { try writer.close() }
            #expect(throws: XLSXError(.notWritten, detail: "closed already")) { try writer.endRow() }
            #expect(throws: XLSXError(.notWritten, detail: "closed already")) { try writer.header(["a"]) }
        }
    }

    @Test("a writer that is given up leaves no file open and none behind")
    func givenUp() throws {
        try withTemporaryFolder { folder in
            func isAnyOpen() -> Bool {
                let open = FileManager.default.subpaths(atPath: "/proc/self/fd") ?? []
                return open.contains { number in
                    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + number)
                    return target?.hasPrefix(folder) == true
                }
            }
            var writer: XLSXWriter? = try XLSXWriter(path: folder + "/a.xlsx", temporaryFolder: folder, createdAt: 0)
            writer?.integer(1)
            try writer?.endRow()
            #expect(isAnyOpen())
            writer = nil
            #expect(!isAnyOpen())
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
        }
    }
}
