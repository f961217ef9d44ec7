import Testing

/// The rooms as Package.swift lists them, lowest floor first.
struct HouseRoom: Equatable {
    var name: String
    /// The folder below Sources, which is its floor.
    var folder: String
    /// Each name in its list of dependencies.
    var touches: [String]

    static func all(inPackage text: String) -> [HouseRoom] {
        let list = text.firstRange(of: "targets: [\n").map { text[$0.upperBound...] } ?? text[...]
        return list.matches(of: /room\(\s*"(\w+)",\s*in:\s*"(\w+)"/).map { match in
            let rest = list[match.range.upperBound...]
            let end = rest.firstRange(of: "\n        room(") ?? rest.firstRange(of: "\n        .executableTarget(")
            let names = rest[..<(end?.lowerBound ?? rest.endIndex)].matches(of: /"(\w+)"/).map { String($0.1) }
            return HouseRoom(name: String(match.1), folder: String(match.2), touches: names)
        }
    }
}

@Suite struct FloorTests {
    /// Modules of vendors (or families of them, as prefixes), and the folders below Sources that may say them.
    static let vendors: [(module: String, folders: [String])] = [
        ("GRDB", ["Drivers/WaybillSQLite"]),
        ("CLibPQ", ["Drivers/WaybillPostgres"]),
        ("CXLSXWriter", ["Ground/Formats"]), ("CZlib", ["Ground/Formats", "Drivers/WaybillS3Blobs"]),
        ("CZstd", ["Ground/Formats"]),
        ("Hummingbird", ["Web", "Features", "Delivery", "Front/Assembly"]),
        ("HTTPTypes", ["Web", "Features", "Delivery", "Front/Assembly"]),
        (
            "NIO",
            [
                "Web", "Features", "Delivery", "Front/Assembly", "Front/WaybillClient", "Drivers/OutboundHTTP",
                "Drivers/WaybillS3Blobs",
            ]
        ),
        ("JWTKit", ["Web"]),
        ("AsyncHTTPClient", ["Front/WaybillClient", "Drivers/OutboundHTTP", "Drivers/WaybillS3Blobs"]),
        ("Configuration", ["Front/Assembly"]),
        ("ArgumentParser", ["Front/Commands", "Front/waybill"]),
    ]
    /// Floors whose rooms don't know each other.
    static let strangers: Set<String> = ["Drivers", "Features", "Delivery"]

    static func house() throws -> [HouseRoom] { HouseRoom.all(inPackage: try Checkout.file("Package.swift").text) }

    @Test("rooms touch only what is listed above them, doors don't touch each other, drivers are touched by Assembly alone")
    func package() throws {
        let house = try Self.house()
        #expect(house.count >= 14, "Package.swift was not understood")
        #expect(Self.badFloors(house) == [])
    }

    @Test("a room imports only what Package.swift lists for it")
    func imports() throws {
        let house = try Self.house()
        let found = try Checkout.sources().flatMap { Self.badImports($0, house) }
        #expect(found == [])
    }

    static let small = """
            targets: [
                room("Low", in: "Ground"),
                room("Disk", in: "Drivers", ["Low"]),
                room("One", in: "Features", ["Low", crypto]),
                room(
                    "Two", in: "Features",
                    ["One", "Disk"]),
                room("Assembly", in: "Front", ["Two", "Disk"]),
                .executableTarget(name: "x", dependencies: ["Assembly"]),
        """

    @Test("Package.swift is read as it is written")
    func reads() {
        #expect(HouseRoom.all(inPackage: Self.small).map(\.name) == ["Low", "Disk", "One", "Two", "Assembly"])
        #expect(HouseRoom.all(inPackage: Self.small).map(\.touches.count) == [0, 1, 1, 2, 2])
    }

    @Test("a dependency that goes up, sideways or into a driver is found")
    func findsFloors() {
        let house = HouseRoom.all(inPackage: Self.small)
        #expect(Self.badFloors(house) == ["Two knows its neighbour One", "Two enters the drivers: Disk"])
        #expect(Self.badFloors(house.reversed()).contains("One goes up to Low"))
    }

    @Test("an import that is not listed, and a vendor's name outside its room, are found")
    func findsImports() {
        let house = HouseRoom.all(inPackage: Self.small)
        func complaints(_ path: String, _ text: String) -> [Int] {
            Self.badImports(SourceFile(path: path, text: text), house).map(\.line)
        }
        #expect(complaints("Sources/Features/One/A.swift", "import Low\n@preconcurrency import struct Two.Part\n") == [2])
        #expect(complaints("Sources/Features/One/A.swift", "import Foundation\npublic import GRDB\n") == [2])
        #expect(complaints("Sources/Features/One/A.swift", "import NIOCore\n// import GRDB\n") == [])
        #expect(complaints("Sources/Ground/Low/A.swift", "import HummingbirdCore\n") == [1])
    }

    static func badFloors(_ house: [HouseRoom]) -> [String] {
        house.enumerated().flatMap { position, room in
            room.touches.compactMap { name -> String? in
                guard let other = house.firstIndex(where: { $0.name == name }) else { return nil }
                if other > position { return "\(room.name) goes up to \(name)" }
                guard room.folder != house[other].folder || !strangers.contains(room.folder) else {
                    return "\(room.name) knows its neighbour \(name)"
                }
                guard house[other].folder != "Drivers" || room.name == "Assembly" else {
                    return "\(room.name) enters the drivers: \(name)"
                }
                return nil
            }
        }
    }

    static func badImports(_ file: SourceFile, _ house: [HouseRoom]) -> [Complaint] {
        let parts = file.path.split(separator: "/")
        guard parts.count > 3, let room = house.first(where: { $0.name == parts[2] }) else { return [] }
        let code = file.code
        let pattern =
            /(?m)^[ \t]*(?:@\w+(?:\(\w+\))? +)*(?:\w+ +)?import +(?:(?:struct|class|enum|protocol|func|var|let) +)?(\w+)/
        return code.matches(of: pattern).compactMap { match in
            let module = String(match.1)
            let line = SourceFile.line(of: match.1.startIndex, in: code[...])
            if house.contains(where: { $0.name == module }), !room.touches.contains(module) {
                return file.complaint(line, "\(room.name) imports \(module), which Package.swift does not list for it")
            }
            if let vendor = vendors.first(where: { module.hasPrefix($0.module) }),
                !vendor.folders.contains(where: { file.path.hasPrefix("Sources/\($0)/") })
            {
                return file.complaint(line, "\(module) is a vendor's name; it stays in \(vendor.folders.joined(separator: ", "))")
            }
            return nil
        }
    }
}
