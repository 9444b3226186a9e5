aws cloudformation deploy --stack-name github-<<prefix>> --template-file aws/ci-roles.yaml --region <<region>> \
     --capabilities CAPABILITY_NAMED_IAM --parameter-overrides Environment=<<environment>> StackName=<<stack_name>> \
     RoleNamePrefix=<<prefix>> CreateProvider=<<"true" if creates_provider else "false">> Repository=OWNER/NAME \
     "RepositoryId=$(gh api repos/OWNER/NAME --jq .id)"
