import Commands

await WaybillCommand.launch()
