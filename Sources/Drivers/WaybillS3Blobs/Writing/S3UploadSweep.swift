import WaybillBlobs

/// Aborts uploads that were never completed: their parts take space and are seen in no listing of objects.
struct S3UploadSweep {
    private struct Page {
        var uploads: [S3Uploads.Upload] = []
        var next: (key: String, id: String)?
    }

    let client: S3Client
    let uploads: S3Uploads

    /// - Returns: how many were aborted.
    func run(startedBefore: Int64) async throws -> Int {
        var count = 0
        var marker: (key: String, id: String)?
        while true {
            let page = try await page(after: marker, startedBefore: startedBefore)
            for upload in page.uploads {
                await uploads.abort(upload)
                count += 1
            }
            guard let next = page.next, next.key != marker?.key || next.id != marker?.id else { return count }
            marker = next
        }
    }

    private func page(after marker: (key: String, id: String)?, startedBefore: Int64) async throws -> Page {
        var request = S3Request("GET")
        request.query = [("uploads", ""), ("prefix", client.configuration.prefix), ("encoding-type", "url")]
        if let marker {
            request.query.append(("key-marker", marker.key))
            request.query.append(("upload-id-marker", marker.id))
        }
        let answer = try await client.send(request)
        guard let root = S3XML(answer.body), root.name == "ListMultipartUploadsResult" else {
            throw S3Failure.wrong("no listing of uploads")
        }
        let isEncoded = root["EncodingType"] == "url"
        func name(_ text: String?) -> String? { text.flatMap { isEncoded ? URIText.decoded($0) : $0 } }
        var page = Page()
        for element in root.all("Upload") {
            guard let object = name(element["Key"]), object.hasPrefix(client.configuration.prefix),
                BlobKey(String(object.dropFirst(client.configuration.prefix.count))) != nil, let id = element["UploadId"],
                let startedAt = element["Initiated"].flatMap(CivilDate.microseconds), startedAt < startedBefore
            else { continue }
            page.uploads.append(.init(id: id, object: object, marker: ""))
        }
        if root["IsTruncated"] == "true" { page.next = (name(root["NextKeyMarker"]) ?? "", root["NextUploadIdMarker"] ?? "") }
        return page
    }
}
