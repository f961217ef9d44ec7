import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Synchronization
import Testing
import WaybillEngine

@testable import Web

@Suite struct PreferenceTests {
    private func preferences(_ values: String...) -> Preferences {
        var headers = HTTPFields()
        for value in values { headers.append(HTTPField(name: .prefer, value: value)) }
        return Preferences(
            Request(
                head: .init(method: .get, scheme: nil, authority: nil, path: "/", headerFields: headers),
                body: .init(buffer: .init())))
    }

    @Test("wait and respond-async are understood, anything else is ignored")
    func read() {
        #expect(preferences("wait=10").wait == .seconds(10))
        #expect(preferences("respond-async, Wait = \"5\"; x=1").wait == .seconds(5))
        #expect(preferences("respond-async, wait=5").respondAsync)
        #expect(preferences("return=minimal", "wait=1", "wait=2").wait == .seconds(1))
        #expect(preferences("wait=0").wait == .zero)
        #expect(preferences("wait=3600").wait == .seconds(60))
        #expect(preferences("wait=99999999999999999999999").wait == .seconds(60))
        for bad in ["", "wait", "wait=", "wait=-1", "wait=1.5", "wait=x", "await=1"] {
            #expect(preferences(bad).wait == nil, "\(bad)")
        }
    }

    @Test("a form's parts are read in the order they come, in pieces")
    func form() async throws {
        let test = try await TestFloor()
        func mount(_ catalog: RouteCatalog) {
            let doc = RouteDoc("upload", "x", tag: "t", access: .open).body(media: "multipart/form-data", .anyObject)
            catalog.route(.post, "/upload", doc) { request, _ in
                var form = try MultipartReader(request)
                var text = ""
                while let part = try await form.nextPart() {
                    if part.name == "skip" { continue }
                    let bytes = try await form.collect(limit: 200_000)
                    text += "\(part.name) \(part.filename ?? "-") \(part.mediaType ?? "-") \(bytes.count);"
                }
                return text
            }
        }
        try await test.serve(mount, setup: .live) { client async throws in
            let file = String(repeating: "line\r\n--B", count: 20_000)
            let body = [
                "--BB\r\nContent-Disposition: form-data; name=\"skip\"\r\n\r\nx\r\n",
                "--BB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../a.csv\"\r\n"
                    + "Content-Type: text/csv\r\n\r\n\(file)\r\n",
                "--BB\r\nContent-Disposition: form-data; name=\"form\"\r\n\r\n{}\r\n--BB--\r\n",
            ].joined()
            let type = "multipart/form-data; boundary=BB"
            let answer = try await client.post("/upload", [.contentType: type], json: body)
            #expect(answer.text == "file ../a.csv text/csv \(file.utf8.count);form - - 2;")
            #expect(try await client.post("/upload", [.contentType: type], json: String(body.dropLast(10))).status == .badRequest)
            #expect(try await client.post("/upload", [.contentType: "multipart/form-data"], json: body).status == .badRequest)
            #expect(try await client.post("/upload", [.contentType: "text/csv"], json: body).status.code == 415)
            #expect(
                try await client.post("/upload", [.contentType: type], json: body.replacing(file, with: file + file)).status.code
                    == 413)
        }
    }

    @Test("while one asks the parts, the others get the last answer, and a part that hangs is told as slow")
    func singleFlight() async throws {
        let time = ManualTime()
        let gate = AsyncStream<Void>.makeStream()
        let entered = AsyncStream<Void>.makeStream()
        let board = HealthBoard(
            time: time,
            checks: [
                .init("disk") {
                    entered.continuation.yield()
                    for await _ in gate.stream { break }
                }
            ])
        try await withThrowingTaskGroup(of: [String].self) { group in
            group.addTask { await board.failing() }
            for await _ in entered.stream { break }
            #expect(await board.failing() == ["starting"])
            time.advance(.seconds(6))
            #expect(await board.failing() == ["slow"])
            gate.continuation.yield()
            let first = try await group.next()
            #expect(first == [])
        }
    }
}
