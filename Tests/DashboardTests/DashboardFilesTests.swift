import Dashboard
import Testing

@Suite struct DashboardFilesTests {
    let files = DashboardFiles()

    @Test("the page and everything that it names is there, with its type")
    func page() throws {
        let page = try #require(files.answer(path: "/"))
        #expect(page.status == 200)
        #expect(value("content-type", page) == "text/html; charset=utf-8")
        let named = text(page).matches(of: /(?:href|src)="(\/[^"]*)"/).map { String($0.1) }
        #expect(named.count >= 3)
        for path in named { #expect(files.answer(path: path)?.status == 200, "\(path)") }
    }

    @Test("every module that a module imports is there")
    func modules() throws {
        for path in files.paths where path.hasSuffix(".js") {
            let answer = try #require(files.answer(path: path))
            #expect(value("content-type", answer) == "text/javascript; charset=utf-8")
            let folder = path.split(separator: "/").first ?? ""
            for match in text(answer).matches(of: /from "\.\/([a-z-]+\.js)"/) {
                #expect(files.answer(path: "/\(folder)/\(match.1)") != nil, "\(path) imports \(match.1)")
            }
        }
    }

    @Test("nothing in the page is inline or made of markup, so that the content security policy holds")
    func policy() throws {
        for path in files.paths {
            let answer = try #require(files.answer(path: path))
            #expect(value("content-security-policy", answer)?.hasPrefix("default-src 'self';") == true)
            for banned in ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "<style", "style=\"", "<script>"] {
                #expect(!text(answer).contains(banned), "\(path) has \(banned)")
            }
        }
    }

    @Test("a reader who has the file gets 304 and no body")
    func known() throws {
        let etag = try #require(value("etag", files.answer(path: "/dashboard/app.js")))
        for given in [etag, "*", "\"x\", \(etag)", "W/\(etag)"] {
            let answer = try #require(files.answer(path: "/dashboard/app.js", ifNoneMatch: given))
            #expect(answer.status == 304)
            #expect(answer.asset == nil)
            #expect(value("etag", answer) == etag)
        }
        #expect(files.answer(path: "/dashboard/app.js", ifNoneMatch: "\"x\"")?.status == 200)
        #expect(Set(DashboardAsset.all.map(\.etag)).count == DashboardAsset.all.count)
    }

    @Test("the client for downloads needs that for uploads alone")
    func downloads() throws {
        let answer = try #require(files.answer(path: "/client/waybill-download.js"))
        #expect(text(answer).contains("export class Download "))
        let imported = text(answer).matches(of: /(?m)^\s*import .* from "(.*)";$/).map { String($0.1) }
        #expect(imported == ["./waybill-upload.js"])
    }

    @Test("the client for uploads needs no other file")
    func client() throws {
        let answer = try #require(files.answer(path: "/client/waybill-upload.js"))
        #expect(value("content-type", answer) == "text/javascript; charset=utf-8")
        #expect(text(answer).contains("export class Upload "))
        #expect(text(answer).matches(of: /(?m)^\s*import |import\(/).isEmpty)
        #expect(files.answer(path: "/dashboard/waybill-upload.js") == nil)
    }

    @Test("another path has no file")
    func unknown() {
        for path in ["", "/dashboard", "/dashboard/", "/dashboard/../app.js", "/dashboard/none.js"] {
            #expect(files.answer(path: path) == nil)
        }
    }

    private func value(_ name: String, _ answer: DashboardFiles.Answer?) -> String? {
        answer?.fields.first { $0.name == name }?.value
    }

    private func text(_ answer: DashboardFiles.Answer) -> String {
        answer.asset.map { $0.withBytes { String(decoding: $0, as: UTF8.self) } } ?? ""
    }
}
