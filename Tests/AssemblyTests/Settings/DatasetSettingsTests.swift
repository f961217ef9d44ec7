import Testing

@testable import Assembly

@Suite struct DatasetSettingsTests {
    func load(_ text: String) throws -> [DatasetSettings] {
        try Settings.load(environment: [:], file: SettingsFile(path: "f.yaml", content: [UInt8](text.utf8))).settings.datasets
    }

    func problems(_ fields: String) -> [String] {
        do {
            _ = try load("datasets:\n  flights: {\(fields)}\n")
            return []
        } catch let error as SettingsError {
            return error.problems.map(\.description)
        } catch {
            return ["\(error)"]
        }
    }

    @Test("a data set is read with lists or with columns")
    func whole() throws {
        let sets = try load(
            """
            datasets:
              flights:
                source: /srv/flights.sqlite
                table: flights
                key: id
                tenants: [acme, globex]
                readersColumn: acl
              planes:
                source: planes.sqlite
                table: planes
                key: tailnum
                tenantColumn: owner
                readers:
                  - everyone
                  - role:pilot
                columns: [tailnum, year]
            """)
        #expect(sets.map(\.name) == ["flights", "planes"])
        #expect(sets.first?.tenants == .list(["acme", "globex"]))
        #expect(sets.first?.readers == .column("acl"))
        #expect(sets.first?.columns == nil)
        #expect(sets.last?.tenants == .column("owner"))
        #expect(sets.last?.readers == .list(["everyone", "role:pilot"]))
        #expect(sets.last?.columns == ["tailnum", "year"])
    }

    static let rest = "source: a.sqlite, table: t, key: id"

    @Test("nothing is open by omission: each missing half is named")
    func pairs() {
        #expect(
            problems("\(Self.rest), readers: [everyone]")
                == ["datasets.flights: tenantColumn or tenants is missing: say whose rows they are, or who may read them"])
        #expect(
            problems("\(Self.rest), tenants: [a]")
                == ["datasets.flights: readersColumn or readers is missing: say whose rows they are, or who may read them"])
        #expect(
            problems("\(Self.rest), tenants: [a], tenantColumn: c, readers: [everyone]")
                == ["datasets.flights: tenantColumn and tenants are both set; set one of them"])
    }

    @Test("a missing source, table or key is named")
    func needed() {
        #expect(
            problems("tenants: [a], readers: [everyone]")
                == [
                    "datasets.flights: source is missing", "datasets.flights: table is missing",
                    "datasets.flights: key is missing",
                ])
    }

    @Test("an unknown field is named, with the one that may be meant")
    func unknownField() {
        #expect(
            problems("\(Self.rest), tenants: [a], readers: [everyone], column: [x]")
                == ["datasets.flights.column: no such key (from file f.yaml); did you mean datasets.flights.columns?"])
    }

    @Test("empty lists and names that are none are refused")
    func badLists() {
        #expect(
            problems("\(Self.rest), tenants: [], readers: [everyone]").first?.contains("an empty list lets nobody in") == true)
        #expect(
            problems("\(Self.rest), tenants: [Acme], readers: [everyone]") == [
                "datasets.flights.tenants: \"Acme\" is no tenant's name"
            ])
        #expect(
            problems("\(Self.rest), tenants: [a], readers: [all]")
                == ["datasets.flights.readers: \"all\" is no reader; everyone, role:NAME and user:NAME are"])
        #expect(problems("\(Self.rest), tenants: [a], readers: [everyone], columns: []").count == 1)
    }

    @Test("what a data set was given is shown with its origin")
    func shown() throws {
        let file = try SettingsFile(
            path: "f.yaml", content: [UInt8]("datasets: {f: {\(Self.rest), tenants: [a, b], readers: [everyone]}}".utf8))
        let values = try Settings.load(environment: [:], file: file).values
        #expect(values.contains { $0.name == "datasets.f.tenants" && $0.text == "[a, b]" && $0.origin == .file("f.yaml") })
    }
}
