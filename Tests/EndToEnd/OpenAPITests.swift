import Testing

@Suite(.server())
struct OpenAPITests {
    @Test("the description is of version 3.1, describes every route, and answers what it says")
    func document() async throws {
        let nobody = User.nobody(try sharedServer())
        let answer = try await nobody.get("/openapi.json")
        let document = try answer.json()
        #expect(document["openapi"]?.string?.hasPrefix("3.1") == true)
        let paths = try #require(document["paths"]?.object)
        // Placeholders may have other names there.
        func shape(_ path: String) -> String { path.replacing(/\{[^}]*\}/, with: "{}") }
        let described = Set(paths.flatMap { path, item in (item.object ?? [:]).keys.map { "\($0.uppercased()) \(shape(path))" } })
        let known = AccessTests.routes(job: "{}", importJob: "{}", type: "{}", item: "{}").map { method, path in
            "\(method) \(path)".replacing("/tenants/acme", with: "/tenants/{}").replacing(
                "/notifications/1/", with: "/notifications/{}/")
        }
        let system =
            ["/livez", "/readyz", "/version", "/metrics", "/openapi.json", "/health/uploads"].map { "GET \($0)" } + [
                "POST /session", "OPTIONS /api/files/tus", "OPTIONS /api/files/resumable", "OPTIONS /drive/files/resumable",
                "GET /ws",
            ]
        for route in known + system { #expect(described.contains(route), "\(route) is not described") }
        // And each route that is described is one that the matrix of rights covers.
        let pages = described.filter { $0.hasPrefix("GET /dashboard") || $0.hasPrefix("GET /client") || $0 == "GET /" }
        #expect(described.subtracting(known).subtracting(system).subtracting(pages) == [])
    }

    @Test("every reference in it leads somewhere, and every operation has a name of its own")
    func references() async throws {
        let document = try await User.nobody(try sharedServer()).get("/openapi.json").json()
        var names: [String] = []
        func walk(_ value: JSON) {
            if let reference = value["$ref"]?.string {
                var target: JSON? = document
                for step in reference.components(by: "/").dropFirst() { target = target?[step] }
                #expect(target != nil, "\(reference) leads nowhere")
            }
            if let name = value["operationId"]?.string { names.append(name) }
            for child in value.object?.values.map({ $0 }) ?? value.array ?? [] { walk(child) }
        }
        walk(document)
        #expect(names.count > 30 && Set(names).count == names.count)
    }

    @Test("the metrics are told to the installation's own operators, with bounded labels")
    func metrics() async throws {
        let server = try sharedServer()
        let root = try await server.user("root", of: "ops", "system")
        for id in ["a", "b", "c"] { _ = try await root.get("/jobs/\(id)") }
        let text = try await root.get("/metrics").text
        #expect(text.contains("# TYPE ") && !text.contains("/jobs/a") && !text.contains("ops"))
        #expect(
            text.components(by: "\n").filter { !$0.isEmpty && !$0.hasPrefix("#") }.allSatisfy {
                $0.components(by: " ").count >= 2
            })
    }
}
