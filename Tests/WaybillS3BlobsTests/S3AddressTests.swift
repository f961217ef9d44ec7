import Testing

@testable import WaybillS3Blobs

@Suite struct S3AddressTests {
    @Test("an address says bucket, prefix, endpoint, region and style")
    func reads() throws {
        let full = try S3Configuration("s3://my-bucket/a/b?endpoint=http://127.0.0.1:8333/&region=eu-west-1&createBucket=true")
        #expect(full.bucket == "my-bucket" && full.prefix == "a/b/" && full.region == "eu-west-1" && full.createsBucket)
        #expect(full.endpoint == S3Endpoint(isSecure: false, host: "127.0.0.1", port: 8333))
        #expect(full.style == .path && full.host == "127.0.0.1" && full.path("a/b/c") == "/my-bucket/a/b/c")
        let bare = try S3Configuration("s3://my-bucket", region: "eu-central-1")
        #expect(bare.endpoint.description == "https://s3.eu-central-1.amazonaws.com")
        #expect(bare.style == .virtual && bare.host == "my-bucket.s3.eu-central-1.amazonaws.com" && bare.path("k") == "/k")
        #expect(bare.prefix.isEmpty && !bare.createsBucket)
        let own = try S3Configuration("s3://my-bucket?endpoint=https://s3.local&style=virtual&caFile=/etc/waybill/ca.pem")
        #expect(own.caFile == "/etc/waybill/ca.pem" && own.host == "my-bucket.s3.local" && bare.caFile == nil)
        #expect(try S3Configuration("s3://my.bucket").style == .path)
        #expect(try S3Configuration("s3://my-bucket", endpoint: "https://s3.example.org").endpoint.host == "s3.example.org")
        #expect(try S3Configuration("s3://bbb?endpoint=http%3A%2F%2F[::1]:9000").endpoint.host == "[::1]")
    }

    @Test(
        "what is no address is refused, and an error quotes no credentials",
        arguments: [
            "", "http://a", "s3://", "s3://ab", "s3://UPPER", "s3://-ab", "s3://a..b", "s3://key:hidden@bucket",
            "s3://bucket/..", "s3://bucket/a b", "s3://bucket?region=", "s3://bucket?endpoint=ftp://a",
            "s3://bucket?endpoint=http://",
            "s3://bucket?endpoint=http://a:99999", "s3://bucket?style=other", "s3://bucket?createBucket=yes",
            "s3://bucket?secret=hidden", "s3://bucket?region=a&region=b", "s3://bucket?region",
            "s3://bucket?endpoint=http://u:hidden@h",
            "s3://bucket?region=%zz", "s3://bucket?caFile=ca.pem", "s3://bucket?caFile=",
            "s3://bucket?endpoint=http://a&caFile=/ca.pem",
        ])
    func refuses(text: String) {
        let error = #expect(throws: S3AddressError.self) { try S3Configuration(text) }
        #expect(error?.description.contains("hidden") == false)
    }

    @Test("escapes are those of signatures, and can be read back")
    func escapes() {
        let text = "a/B-c_d.e~f g+ä%="
        #expect(URIText.encoded(text) == "a%2FB-c_d.e~f%20g%2B%C3%A4%25%3D")
        #expect(URIText.encoded("a/b", keepingSlash: true) == "a/b")
        #expect(URIText.decoded(URIText.encoded(text)) == text)
        #expect(URIText.decoded("%") == nil && URIText.decoded("%4") == nil && URIText.decoded("%ff") == nil)
    }
}
