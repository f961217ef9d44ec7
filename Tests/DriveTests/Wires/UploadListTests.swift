import HTTPTypes
import Testing
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

@Suite struct UploadListTests {
    private static let path = Asking.path

    @Test("a list pages, filters and orders, and tells how many there are")
    func list() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            for number in 0..<60 {
                _ = try await asking.create(
                    TestFile(100 + number, seed: UInt64(number)), name: number % 2 == 0 ? "b\(number + 10)" : "a\(number + 10)")
                door.time.advance(to: door.time.now().advanced(by: .seconds(1)))
            }
            let page = try await asking.get("\(Self.path)/tasks?offset=50&limit=50")
            #expect(page.array.count == 10 && page.headers[.total] == "60")
            #expect(try await asking.get("\(Self.path)/tasks").array.count == 50)
            let first = try #require(page.array.last?["taskId"]?.string)
            _ = try await asking.send(.delete, "\(Self.path)/task/\(first)")
            let cancelled = try await asking.get("\(Self.path)/tasks?status=Cancelled")
            #expect(cancelled.array.count == 1 && cancelled.headers[.total] == "1")
            let failed = try await asking.get("\(Self.path)/tasks?status=Failed")
            #expect(failed.array.isEmpty && failed.headers[.total] == "0")
        }
    }

    @Test("each order goes both ways", arguments: ["filename", "filesize", "createdAt", "updatedAt", "lastActivity"])
    func order(by key: String) async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            for (name, size) in [("b", 300), ("c", 100), ("a", 200)] {
                _ = try await asking.create(TestFile(size), name: name)
                door.time.advance(to: door.time.now().advanced(by: .seconds(1)))
            }
            func names(_ isDescending: Bool) async throws -> [String] {
                try await asking.get("\(Self.path)/tasks?sortBy=\(key)&sortDescending=\(isDescending)").array.compactMap {
                    $0["fileName"]?.string
                }
            }
            let rising =
                switch key {
                case "filename": ["a", "b", "c"]
                case "filesize": ["c", "a", "b"]
                default: ["b", "c", "a"]
                }
            #expect(try await names(false) == rising)
            #expect(try await names(true) == rising.reversed())
        }
    }

    @Test(
        "a list that makes no sense is a 400",
        arguments: [
            "limit=0", "limit=-1", "limit=100000", "limit=x", "offset=-1", "status=Unknown", "status=completed", "sortBy=colour",
            "sortDescending=yes", "page=1",
        ])
    func badList(query: String) async throws {
        try await DriveDoor().serve { asking async throws in
            #expect(try await asking.get("\(Self.path)/tasks?\(query)").status == 400)
        }
    }

    @Test("figures are zero where there is nothing, and never above the files' sizes")
    func stats() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let none = try await asking.get("\(Self.path)/stats")
            for name in ["totalTasks", "inProgressTasks", "completedTasks", "failedTasks", "expiredTasks", "totalUploadedBytes"] {
                #expect(none.number(name) == 0, "\(name)")
            }
            #expect(none.text.contains(#""averageProgress":0,"#) && none.json["recentActivity"] == [])
            #expect(try await asking.upload(TestFile(1500)).status == 200)
            let file = TestFile(3500, seed: 2)
            let task = try await asking.create(file)
            for index in [0, 3] { try await asking.put(file.chunk(index), index, of: task) }
            let some = try await asking.get("\(Self.path)/stats")
            #expect(some.number("totalTasks") == 2 && some.number("completedTasks") == 1 && some.number("inProgressTasks") == 1)
            #expect(some.number("totalUploadedBytes") == 3000)
            #expect(some.text.contains(#""averageProgress":42.86"#), "\(some.text)")
            #expect(some.json["recentActivity"]?.array?.count == 2)
            #expect(try await asking.get("\(Self.path)/tasks/recent?limit=1").array.count == 1)
            #expect(try await asking.get("\(Self.path)/tasks/recent?limit=0").status == 400)
        }
    }

    @Test("a clean-up removes what ended without a file, and nothing else")
    func cleanUp() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let open = try await asking.create(TestFile(1000, seed: 9))
            let done = try #require(try await asking.upload(TestFile(1000))["id"])
            for seed in [3, 4] as [UInt64] {
                let failed = try await asking.create(TestFile(500, seed: seed))
                try await asking.put(TestFile(500, seed: 99).bytes, 0, of: failed)
                #expect(try await asking.complete(failed).status == 422)
            }
            let expired = try await asking.create(TestFile(500, seed: 5))
            door.time.advance(to: door.time.now().advanced(by: .seconds(86_000)))
            #expect(try await asking.put(TestFile(1000, seed: 9).bytes, 0, of: open).status == 200)
            door.time.advance(to: door.time.now().advanced(by: .seconds(500)))
            try await door.tester.engine.sweepNext()
            #expect(try await asking.get("\(Self.path)/progress/\(expired)")["status"] == "Expired")
            #expect(try await asking.send(.delete, "\(Self.path)/tasks/cleanup").number("removed") == 3)
            let left = try await asking.get("\(Self.path)/tasks").array.compactMap { $0["taskId"]?.string }
            #expect(Set(left) == [open, done])
        }
        try await door.feature.sweep(now: door.time.now(), withStrays: true)
        #expect(try await door.stored() == (1, 1))
    }

    @Test("details tell pool, bundle, speed and time left, as far as they are known")
    func details() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let bundle = try #require(try await asking.json(.post, "/api/bundles", #"{"name": "trip"}"#)["id"])
            let file = TestFile(4000)
            let task = try await asking.create(file, more: #", "bundleId": "\#(bundle)""#)
            let fresh = try await asking.get("\(Self.path)/tasks/\(task)/details")
            #expect(fresh.json["pool"]?["name"] == "default" && fresh.json["bundle"]?["name"] == "trip")
            #expect(fresh.json["bytesPerSecond"] == nil && fresh.json["secondsLeft"] == nil)
            door.time.advance(to: door.time.now().advanced(by: .seconds(2)))
            try await asking.put(file.chunk(0), 0, of: task)
            let some = try await asking.get("\(Self.path)/tasks/\(task)/details")
            #expect(some.text.contains(#""bytesPerSecond":500"#) && some.text.contains(#""secondsLeft":6"#), "\(some.text)")
            #expect(some.json["task"]?["uploadedChunks"] == [0])
        }
    }

    @Test("uploads are seen by their owner alone, by whatever way they are asked for")
    func others() async throws {
        let file = TestFile(2000)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let task = try await asking.create(file)
            try await asking.put(file.chunk(0), 0, of: task)
            let unknown = "01890a5d-ac96-774b-bcce-b302099a8057"
            let ways: [(HTTPRequest.Method, String)] = [
                (.post, "chunk/{id}/1"), (.post, "complete/{id}"), (.get, "progress/{id}"), (.get, "resume/{id}"),
                (.delete, "task/{id}"), (.get, "tasks/{id}/details"),
            ]
            for (method, way) in ways {
                func ask(_ id: String, _ user: String, _ tenant: String) async throws -> Asking.Answer {
                    let body = way.hasPrefix("chunk") ? file.chunk(1) : nil
                    return try await asking.send(
                        method, "\(Self.path)/\(way.replacing("{id}", with: id))", body,
                        media: body == nil ? nil : "application/octet-stream", user: user, tenant: tenant)
                }
                let none = try await ask(unknown, "ann", "acme")
                for (user, tenant) in [("bob", "acme"), ("ann", "globex")] {
                    let answer = try await ask(task, user, tenant)
                    #expect(answer.status == 404 && answer.code == none.code && answer["detail"] == none["detail"], "\(way)")
                }
                let anonymous = try await asking.send(
                    method, "\(Self.path)/\(way.replacing("{id}", with: task))", signedIn: false)
                #expect(anonymous.status == 401, "\(way)")
                let reader = try await asking.send(
                    method, "\(Self.path)/\(way.replacing("{id}", with: task))", roles: ["reader"])
                #expect(reader.status == 403, "\(way)")
            }
            #expect(try await asking.get("\(Self.path)/tasks", user: "bob").array.isEmpty)
            #expect(try await asking.get("\(Self.path)/tasks/recent", user: "bob").array.isEmpty)
            #expect(try await asking.get("\(Self.path)/stats", user: "bob").number("totalTasks") == 0)
            #expect(try await asking.send(.delete, "\(Self.path)/tasks/cleanup", user: "bob").number("removed") == 0)
            #expect(try await asking.get("/jobs/\(task)", user: "bob").status == 404)
            try await asking.put(file.chunk(1), 1, of: task)
            #expect(try await asking.complete(task).status == 200)
            #expect(try await asking.get("/api/files/\(task)", user: "bob").status == 404)
            #expect(try await asking.get("/api/files/\(task)/content", user: "bob").status == 404)
        }
    }

    @Test("whether uploads can be taken is told to everybody")
    func health() async throws {
        try await DriveDoor().serve { asking async throws in
            let answer = try await asking.send(.get, "/health/uploads", signedIn: false)
            #expect(answer.status == 200 && answer["status"] == "healthy")
        }
    }
}
