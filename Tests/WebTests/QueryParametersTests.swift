import Testing

@testable import Web

@Suite struct QueryParametersTests {
    enum State: String, CaseIterable { case open, done }

    @Test("an unknown parameter is refused by its name")
    func unknown() throws {
        let problem = #expect(throws: Problem.self) { try QueryParameters("a=1&colour=2", allowed: ["a"]) }
        #expect(problem?.kind == .unknownField)
        #expect(problem?.detail.contains("colour") == true)
    }

    @Test(
        "parameters that are there twice or badly encoded are refused",
        arguments: ["a=1&a=2", "a=1&%61=2", "a=%", "a=%4", "a=%zz", "a=%ff", "a=%00", "%c3=1"])
    func refused(query: String) {
        #expect(throws: Problem.self) { try QueryParameters(query, allowed: ["a"]) }
    }

    @Test("values are decoded")
    func decoded() throws {
        let query = try QueryParameters("q=a+b%2Bc%26d%3D&e=&f", allowed: ["q", "e", "f"])
        #expect(query["q"] == "a b+c&d=")
        #expect(query["e"] == "")
        #expect(query["f"] == "")
    }

    @Test(
        "a page that is no number from 1 on is refused",
        arguments: [
            "page=0", "page=-1", "page=a", "page=", "page=1.0", "page=99999999999999999999", "page=%2B1", "page=1e3", "size=0",
            "size=201", "size=1000000000",
        ])
    func badPages(query: String) throws {
        let query = try QueryParameters(query, allowed: ["page", "size"])
        #expect(throws: Problem.self) { try Paging(query) }
    }

    @Test("a page has defaults and an offset that can't overflow")
    func paging() throws {
        #expect(try Paging(QueryParameters()) == Paging(page: 1, size: 20))
        let paging = try Paging(QueryParameters("page=3&size=200", allowed: ["page", "size"]))
        #expect(paging.offset == 400)
        #expect(Paging(page: .max, size: 200).offset == .max)
    }

    @Test("choices and truths are read or refused")
    func choices() throws {
        let query = try QueryParameters("s=done&t=true&u=OPEN&v=yes", allowed: ["s", "t", "u", "v"])
        #expect(try query.choice("s", State.self) == .done)
        #expect(try query.bool("t") == true)
        #expect(throws: Problem.self) { try query.choice("u", State.self) }
        #expect(throws: Problem.self) { try query.bool("v") }
        #expect(try query.bool("nothing") == nil)
    }
}
