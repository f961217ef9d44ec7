import Crypto
import Testing

@testable import WaybillS3Blobs

/// Against the signatures that Amazon publishes: examples of the S3 API reference, and of the test suite of Signature Version 4.
@Suite struct SignatureV4Tests {
    private static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    private static let host = ("host", "examplebucket.s3.amazonaws.com")
    private static let time = SigningTime(microseconds: 1_369_353_600_000_000)
    private static let signature = SignatureV4(
        credentials: S3Credentials(
            accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), region: "us-east-1"
    )

    private func authorization(
        _ method: String, _ path: String, _ query: [(String, String)] = [], _ headers: [(String, String)] = [],
        payload: String = SignatureV4Tests.empty
    ) -> String {
        Self.signature.authorization(
            .init(
                method: method, path: path, query: query.map { (name: $0.0, value: $0.1) },
                headers: ([Self.host, ("x-amz-content-sha256", payload), ("x-amz-date", Self.time.text)] + headers)
                    .map { (name: $0.0, value: $0.1) }, payload: payload), at: Self.time)
    }

    @Test("get an object's range")
    func getObject() {
        #expect(
            authorization("GET", "/test.txt", [], [("Range", "bytes=0-9")])
                == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    }

    @Test("put an object whose name must be escaped")
    func putObject() {
        let payload = URIText.hex(SHA256.hash(data: Array("Welcome to Amazon S3.".utf8)))
        let signed = authorization(
            "PUT", "/" + URIText.encoded("test$file.text"), [],
            [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")], payload: payload)
        #expect(signed.hasSuffix("Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"))
    }

    @Test("a parameter without a value")
    func lifecycle() {
        let signed = authorization("GET", "/", [("lifecycle", "")])
        #expect(signed.hasSuffix("Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"))
    }

    @Test("a listing, its parameters in whatever order")
    func list() {
        for query in [[("max-keys", "2"), ("prefix", "J")], [("prefix", "J"), ("max-keys", "2")]] {
            let signed = authorization("GET", "/", query)
            #expect(signed.hasSuffix("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"))
        }
    }

    @Test("a presigned link")
    func presigned() {
        let query = Self.signature.presignedQuery(
            .init(method: "GET", path: "/test.txt", headers: [(name: Self.host.0, value: Self.host.1)], payload: ""),
            lifetimeSeconds: 86_400, at: Self.time)
        #expect(
            query
                == "X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                + "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                + "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    }

    private static let suite = SignatureV4(
        credentials: S3Credentials(accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        region: "us-east-1", service: "service")

    @Test(
        "the suite's requests",
        arguments: [
            ("GET", [], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "GET", [("Param2", "value2"), ("Param1", "value1")],
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
            ),
            ("POST", [], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ] as [(String, [(String, String)], String)])
    func suite(method: String, query: [(String, String)], expected: String) {
        let time = SigningTime(microseconds: 1_440_938_160_000_000)
        #expect(time.text == "20150830T123600Z")
        let signed = Self.suite.authorization(
            .init(
                method: method, path: "/", query: query.map { (name: $0.0, value: $0.1) },
                headers: [("Host", "example.amazonaws.com"), ("X-Amz-Date", time.text)], payload: Self.empty), at: time)
        #expect(signed.hasSuffix("SignedHeaders=host;x-amz-date, Signature=\(expected)"))
    }

    @Test("headers are folded: names small and sorted, spaces single, values of one name joined")
    func folding() {
        let (text, names) = SignatureV4.canonical(
            .init(
                method: "GET", path: "/", headers: [("X-B", " a   b "), ("host", "h"), ("x-b", "c"), ("Accept", "*")],
                payload: "p"))
        #expect(names == "accept;host;x-b")
        #expect(text == "GET\n/\n\naccept:*\nhost:h\nx-b:a b,c\n\naccept;host;x-b\np")
    }

    @Test("nothing that prints credentials prints their secrets")
    func masked() {
        let credentials = S3Credentials(accessKeyID: "AKID", secretAccessKey: "hidden-1", sessionToken: "hidden-2")
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), String(describing: Optional(credentials)), dumped] {
            #expect(!text.contains("hidden") && !text.contains("AKID"))
        }
    }
}
