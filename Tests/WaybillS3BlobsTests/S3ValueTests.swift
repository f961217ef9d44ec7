import NIOCore
import Testing
import WaybillBlobs

@testable import WaybillS3Blobs

@Suite struct S3ValueTests {
    @Test("parts grow so that ten thousand of them hold hundreds of GiB, while their bytes on the way stay bounded")
    func parts() {
        let plan = PartPlan()
        var total: Int64 = 0
        for number in 1...PartPlan.partsMax {
            guard let size = plan.bytes(ofPart: number) else { break }
            #expect(size >= plan.bytes(ofPart: max(1, number - 1)) ?? .max)
            #expect(plan.partsInFlight(ofBytes: size) * size <= max(plan.bytesInFlight, size))
            total += Int64(size)
        }
        #expect(total > 300 << 30)
        #expect(plan.bytes(ofPart: 0) == nil && plan.bytes(ofPart: 10_001) == nil)
        #expect(PartPlan(bytesMin: 1).bytes(ofPart: 1) == 5 << 20)
        #expect(PartPlan(bytesMin: .max, bytesInFlight: .min).partsInFlight(ofBytes: 64 << 20) == 1)
    }

    @Test("the checksum of a whole is made of those of its parts")
    func checksums() {
        let check = CRC32(ByteBuffer(string: "123456789"))
        #expect(check.value == 0xCBF4_3926 && check.base64 == "y/Q5Jg==")
        var joined = CRC32()
        for part in ["", "1234", "5", "", "6789"] { joined.append(CRC32(ByteBuffer(string: part))) }
        #expect(joined == check)
        #expect(
            ["", "f", "fo", "foo", "foob"].map { Base64.encode(Array($0.utf8)) } == ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="])
    }

    @Test("dates are those of the calendar")
    func dates() throws {
        #expect(SigningTime(microseconds: 951_782_400_000_000).text == "20000229T000000Z")
        #expect(SigningTime(microseconds: 4_102_444_799_999_999).text == "20991231T235959Z")
        #expect(SigningTime(microseconds: .min).text == "19700101T000000Z" && SigningTime(microseconds: .max).date.count == 8)
        #expect(CivilDate.microseconds("2000-02-29T00:00:01.5Z") == 951_782_401_500_000)
        #expect(CivilDate.microseconds("2026-11-25T21:47:04Z") == 1_795_643_224_000_000)
        #expect(CivilDate.microseconds("1970-01-01T00:00:00.000Z") == 0)
        for text in ["", "2026-13-01T00:00:00Z", "2026-11-25 21:47:04", "2026-11-25T21:47:04+01:00"] {
            #expect(CivilDate.microseconds(text) == nil)
        }
    }

    @Test("answers are read with what comes before them, and what is not well-formed is not read")
    func xml() throws {
        let text =
            "\n  <?xml version=\"1.0\"?>\n<a:Root xmlns:a=\"u\">"
            + "<Key>x &amp;&lt;&#65;&#x42;</Key><Empty/><L><K>1</K></L><L><K>2</K></L></a:Root>"
        let root = try #require(S3XML(Array(text.utf8)))
        #expect(root.name == "Root" && root["Key"] == "x &<AB" && root["Empty"] == "" && root["None"] == nil)
        #expect(root.all("L").map { $0["K"] } == ["1", "2"])
        #expect(S3XML(Array("<a>\(S3XML.escaped("<&>"))</a>".utf8))?.text == "<&>")
        for text in [
            "", "   ", "<", "<a>", "<a></b>", "</a>", "<a>&x;</a>", "<a>&lt</a>", "<!DOCTYPE a><a/>", "<a><b></a></b>", "plain",
            String(repeating: "<a>", count: 100) + String(repeating: "</a>", count: 100),
        ] {
            #expect(S3XML(Array(text.utf8)) == nil, "\(text)")
        }
        #expect(S3XML([0x3C, 0x61, 0x3E, 0xFF, 0x3C, 0x2F, 0x61, 0x3E]) == nil)
    }

    @Test("an error is what its document says, and never quotes the store's words")
    func failures() {
        func failure(_ status: Int, _ code: String, _ headers: [String: String] = [:]) -> S3Failure {
            S3Failure(
                status: status, headers: headers, body: Array("<Error><Code>\(code)</Code><Message>hidden</Message></Error>".utf8)
            )
        }
        #expect(failure(404, "NoSuchKey").blobError("x").code == .notFound)
        #expect(failure(404, "NoSuchBucket").blobError("x").code == .other)
        #expect(failure(412, "PreconditionFailed").blobError("x").code == .exists)
        #expect(failure(503, "SlowDown").blobError("x").code == .unavailable)
        #expect(failure(507, "InsufficientStorage").blobError("x").code == .full)
        #expect(failure(403, "QuotaExceeded").blobError("x").code == .full)
        #expect(!failure(403, "RequestTimeTooSkewed").isTransient)
        #expect(!failure(501, "NotImplemented").isTransient)
        #expect(failure(503, "SlowDown").effect == .none && failure(500, "InternalError").effect == .unknown)
        #expect(failure(200, "AccessDenied").effect == .unknown && failure(403, "AccessDenied").effect == .none)
        #expect(failure(503, "SlowDown", ["retry-after": "99999999999999"]).retryAfter == .seconds(3600))
        #expect(failure(503, "SlowDown", ["retry-after": "-5"]).retryAfter == .zero)
        #expect(failure(400, "hidden words <b>").code == "HTTP 400")
        #expect(!failure(403, "AccessDenied").blobError("x").message.contains("hidden"))
        #expect(S3Failure(status: 404, headers: [:], body: []).blobError("x").code == .notFound)
    }

    @Test("a range is believed only if it makes sense")
    func ranges() {
        #expect(ContentRange("bytes 5-9/10")?.first == 5)
        for text in [nil, "", "bytes 5-4/10", "bytes 5-10/10", "bytes 5-9/*", "bytes */10", "bytes 5-99999999999999999999/10"] {
            #expect(ContentRange(text) == nil)
        }
    }
}
