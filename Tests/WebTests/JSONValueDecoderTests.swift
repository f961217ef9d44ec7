import Testing
import WaybillEngine

@testable import Web

@Suite struct JSONValueDecoderTests {
    struct Inner: Decodable, Equatable {
        var name: String?
        var tags: [String]
    }

    enum Format: String, Decodable { case csv, json }

    struct Outer: Decodable, Equatable {
        var format: Format
        var count: Int8
        var ratio: Double?
        var inner: Inner?
        var map: [String: Int]?
        var free: JSONValue?
        var at: WireTime?
    }

    @Test("a value is read into its type")
    func read() throws {
        let json = try JSONValue.parse(
            Array(
                (#"{"format":"csv","count":-128,"ratio":2,"inner":{"name":null,"tags":["a","b"]},"map":{"x":1},"#
                    + #""free":[1,{"a":null}],"at":"2026-11-22T00:00:00Z"}"#).utf8))
        let value = try JSONValueDecoder.decode(Outer.self, from: json)
        #expect(
            value
                == Outer(
                    format: .csv, count: -128, ratio: 2, inner: Inner(name: nil, tags: ["a", "b"]), map: ["x": 1],
                    free: [1, ["a": nil]],
                    at: WireTime(text: "2026-11-22T00:00:00Z")))
    }

    @Test(
        "what does not fit is named",
        arguments: [
            (#"{"count":1}"#, "format", "missing"), (#"{"format":"xml","count":1}"#, "format", ""),
            (#"{"format":"csv","count":128}"#, "count", "whole"),
            (#"{"format":"csv","count":1.5}"#, "count", "whole"), (#"{"format":"csv","count":1e30}"#, "count", "whole"),
            (#"{"format":"csv","count":"1"}"#, "count", "whole number"),
            (#"{"format":"csv","count":true}"#, "count", "whole number"),
            (#"{"format":"csv","count":1,"inner":{"tags":["a",1]}}"#, "inner.tags[1]", "a string"),
            (#"{"format":"csv","count":1,"inner":[]}"#, "inner", "a list or an object"),
            (#"{"format":"csv","count":1,"at":"now"}"#, "at", "time"),
            (#"{"format":"csv","count":null}"#, "count", "null"),
        ])
    func named(text: String, field: String, reason: String) throws {
        let json = try JSONValue.parse(Array(text.utf8))
        let error = #expect(throws: DecodingError.self) { try JSONValueDecoder.decode(Outer.self, from: json) }
        let problem = Problem(decoding: try #require(error))
        #expect(problem.details.array?.first?["field"]?.string == field)
        #expect(problem.detail.contains(reason))
    }
}
