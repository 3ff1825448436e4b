"""Everything on a record's way that touches boto3 and botocore. (The commands and the fake service use them, too.)"""
